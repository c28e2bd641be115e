import { useSignal } from "@preact/signals";
import type { GuardedChange, RoleIn } from "../../api/types";
import { useList } from "../../lib/load";
import { useSession } from "../../lib/session";
import { when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Badge, Button, Card, Empty, Facts, Field, Loading, Trouble } from "../../ui/parts";
import { AdminFrame, roleText } from "./frame";

/* A value of what was asked, as people read it; a role is an object of its own kind. */
function Value({ v }: { v: unknown }) {
  const projects = useSession().me.value?.projects ?? [];
  if (Array.isArray(v)) return v.length === 0 ? <span>{t("common.none")}</span> : <ul class="plain">{v.map((x, i) => <li key={i}><Value v={x} /></li>)}</ul>;
  if (typeof v === "object" && v !== null) {
    const r = v as RoleIn & { user?: string; group?: string };
    if (r.role !== undefined) return <span>{[r.user ?? r.group, roleText({ role: r.role, project: r.project ?? null }, projects)].filter(Boolean).join(": ")}</span>;
    return <code>{JSON.stringify(v)}</code>;
  }
  return <span>{typeof v === "boolean" ? t(v ? "common.yes" : "common.no") : String(v)}</span>;
}

export function ChangeFacts({ c }: { c: GuardedChange }) {
  return (
    <Facts rows={[
      ...Object.entries(c.body ?? {}).map(([k, v]): [string, preact.ComponentChildren] => [tOr(`change.member.${k}`, "change.member.other", { name: k }), <Value v={v} />]),
      [t("change.touches"), c.touches.map((x) => t(`change.touches.${x}`)).join(", ")],
      [t("change.by"), `${c.proposed_by.name}, ${when(c.proposed_at)}`],
      [t("change.works"), c.state === "waiting" && (c.effective_at !== null ? t("change.works_at", { time: when(c.effective_at) }) : t("change.works_approved"))],
      [t("change.decided"), c.decided_by && `${c.decided_by.name}, ${when(c.decided_at)}`],
      [t("vote.comment"), c.comment],
      [t("change.failure"), c.failure && tOr(`code.${c.failure}`, "code.unknown")],
    ]} />
  );
}

function Waiting({ c, onDone }: { c: GuardedChange; onDone: () => void }) {
  const s = useSession();
  const me = s.me.value;
  const act = useAct();
  const comment = useSignal("");
  const own = c.proposed_by.id === me?.user.id;
  const go = async (what: "approve" | "stop") => {
    const body = comment.value.trim() === "" ? {} : { comment: comment.value.trim() };
    if ((await act.run(what, () => s.client.send<GuardedChange>("POST", `/v1/changes/${c.id}/${what}`, body))) !== undefined) onDone();
  };
  return (
    <Card tone="warm" title={`${tOr(`change.op.${c.operation}`, "common.unknown")} ${c.target_name ?? ""}`}>
      <ChangeFacts c={c} />
      <Field label={t("vote.comment")}>{(ids) => <input {...ids} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />}</Field>
      <ActTrouble act={act} />
      <div class="row" data-change={c.id}>
        {me?.admin && !own && <Button look="main" busy={act.busy === "approve"} onClick={() => void go("approve")}>{t("change.approve")}</Button>}
        <Button look="danger" busy={act.busy === "stop"} onClick={() => void go("stop")}>{t(own ? "change.take_back" : "change.stop")}</Button>
        {own && <span class="help">{t("change.own")}</span>}
      </div>
    </Card>
  );
}

export function ChangesPage() {
  const waiting = useList<GuardedChange>("/v1/changes", { state: "waiting" }, (c) => c.type === "change");
  const past = useList<GuardedChange>("/v1/changes", { limit: 20 }, (c) => c.type === "change");
  const again = () => { waiting.again(); past.again(); };
  const before = past.data.value?.items.filter((c) => c.state !== "waiting") ?? [];
  return (
    <AdminFrame section="changes">
      <Trouble problem={waiting.trouble.value} again={waiting.again} />
      {waiting.data.value === undefined ? waiting.trouble.value === null && <Loading /> : waiting.data.value.items.length === 0 ? <Empty text="change.empty" />
        : waiting.data.value.items.map((c) => <Waiting key={c.id} c={c} onDone={again} />)}
      {before.length > 0 && (
        <Card title={t("change.past")}>
          <ul class="plain rows">
            {before.map((c) => <li key={c.id}><Badge tone={c.state === "done" ? "open" : "ended"}>{t(`change.state.${c.state}`)}</Badge> {tOr(`change.op.${c.operation}`, "common.unknown")} {c.target_name} <span class="help">{c.proposed_by.name} · {when(c.decided_at ?? c.proposed_at)}</span></li>)}
          </ul>
        </Card>
      )}
    </AdminFrame>
  );
}
