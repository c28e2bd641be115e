/*
 * The rules (the policy): those in force, those that wait for a second administrator, those that were. A proposal can be tried on its own test
 * cases and on the requests of the past before it is made. What one approves is the hash of the text that this page shows.
 */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Policy, PolicyDecision, PolicyDryRun, PolicyTestRun, PolicyWarning } from "../../api/types";
import { diffLines, folded } from "../../lib/diff";
import { useLoad } from "../../lib/load";
import { sha256 } from "../../lib/proof";
import { hasRole, useSession } from "../../lib/session";
import { when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { actionsText } from "../../ui/about";
import { ActTrouble, useAct } from "../../ui/act";
import { Badge, Button, Card, Facts, Field, Link, Loading, Notice, PageHead, Trouble } from "../../ui/parts";

function Diff({ before, after }: { before: string; after: string }) {
  const lines = folded(diffLines(before, after));
  if (!lines.some((l) => l !== null && l.what !== "same")) return <p class="help">{t("rules.no_difference")}</p>;
  return (
    <pre class="diff" tabIndex={0} role="region" aria-label={t("rules.difference")}>
      {lines.map((l, i) => l === null ? <span key={i} class="fold">{"…\n"}</span>
        : l.what === "same" ? <span key={i}>{`  ${l.text}\n`}</span>
        : l.what === "gone" ? <del key={i}>{`- ${l.text}\n`}</del> : <ins key={i}>{`+ ${l.text}\n`}</ins>)}
    </pre>
  );
}

function Warnings({ list }: { list: PolicyWarning[] }) {
  if (list.length === 0) return null;
  return <Notice tone="bad">{list.map((w, i) => <p key={i}>{t("rules.warning.no-approver", { rule: w.rule, groups: (w.groups ?? []).join(", ") })}</p>)}</Notice>;
}

function verdictText(d: PolicyDecision): string {
  const what = tOr(`rules.verdict.${d.verdict}`, "common.unknown", { n: d.need ?? 1 });
  return d.rule === null ? what : t("rules.by_rule", { what, rule: d.rule });
}

function TestRun({ run }: { run: PolicyTestRun }) {
  return (
    <div class="stack" role="status">
      <p>{t("rules.tests_result", { passed: run.passed, n: run.tests.length })}</p>
      <ul class="plain">
        {run.tests.map((x, i) => (
          <li key={i}><Badge tone={x.ok ? "open" : "live"}>{t(x.ok ? "rules.test.ok" : "rules.test.failed")}</Badge> {x.name}
            {!x.ok && <span class="help"> {t("rules.test.got", { expect: tOr(`rules.verdict.${x.expect}`, "common.unknown", { n: 1 }), got: tOr(`rules.verdict.${x.got}`, "common.unknown", { n: 1 }) })}</span>}</li>
        ))}
      </ul>
      <Warnings list={run.warnings} />
    </div>
  );
}

function DryRun({ run }: { run: PolicyDryRun }) {
  return (
    <div class="stack" role="status">
      <p>{t("rules.dry_result", { n: run.looked_at, differ: run.differ })} {!run.complete && t("rules.dry_incomplete")}</p>
      {run.items.length > 0 && (
        <div class="table-wrap" tabIndex={0}><table>
          <thead><tr><th scope="col">{t("request.title")}</th><th scope="col">{t("request.purpose")}</th><th scope="col">{t("rules.was")}</th><th scope="col">{t("rules.would_be")}</th></tr></thead>
          <tbody>{run.items.map((x) => (
            <tr key={x.request}><th scope="row"><Link to={`/requests/${x.request}`}>{x.requester.name}</Link> <span class="help">{when(x.created_at)}</span></th>
              <td>{x.purpose}{x.actions && <span class="help"> {actionsText(x.actions)}</span>}</td><td>{verdictText(x.was)}</td><td>{verdictText(x.now)}</td></tr>
          ))}</tbody>
        </table></div>
      )}
      <Warnings list={run.warnings} />
    </div>
  );
}

/* Where a text is wrong, and which of its own cases it fails. */
function Refusal({ act }: { act: ReturnType<typeof useAct> }) {
  const p = act.trouble;
  if (p === null) return null;
  return (
    <>
      <ActTrouble act={act} />
      {p.line !== undefined && <p class="help" data-line={p.line}>{t("rules.line", { line: p.line, cause: p.cause ?? "" })}</p>}
      {p.tests?.filter((x) => !x.ok).map((x, i) => <p key={i} class="help">{t("rules.test.failed")}: {x.name}</p>)}
    </>
  );
}

function Propose({ current, onDone }: { current: Policy; onDone: (p: Policy) => void }) {
  const s = useSession();
  const act = useAct();
  const text = useSignal(current.source || current.print || "");
  const comment = useSignal("");
  const days = useSignal(30);
  const tests = useSignal<PolicyTestRun | null>(null);
  const dry = useSignal<PolicyDryRun | null>(null);
  const forget = () => { tests.value = null; dry.value = null; };
  const audits = hasRole(s.me.value!, "auditor");
  return (
    <Card title={t("rules.propose")}>
      <p class="help">{t("rules.propose_help")}</p>
      <form class="stack" onSubmit={(e) => {
        e.preventDefault();
        void act.run("propose", () => s.client.send<Policy>("POST", "/v1/policies", { text: text.value, ...(comment.value.trim() === "" ? {} : { comment: comment.value.trim() }) })).then((p) => { if (p !== undefined) onDone(p); });
      }}>
        <Field label={t("rules.text")}>{(ids) => <textarea {...ids} class="code" rows={24} spellcheck={false} maxLength={65536} value={text.value} onInput={(e) => { text.value = e.currentTarget.value; forget(); }} />}</Field>
        <Field label={t("rules.comment")}>{(ids) => <input {...ids} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />}</Field>
        <Refusal act={act} />
        <div class="row">
          <Button busy={act.busy === "test"} onClick={() => void act.run("test", () => s.client.send<PolicyTestRun>("POST", "/v1/policies/test", { text: text.value })).then((r) => { if (r) tests.value = r; })}>{t("rules.test")}</Button>
          {audits && <>
            <Button busy={act.busy === "dry"} onClick={() => void act.run("dry", () => s.client.send<PolicyDryRun>("POST", "/v1/policies/dry-run", { text: text.value, days: days.value })).then((r) => { if (r) dry.value = r; })}>{t("rules.dry")}</Button>
            <label class="inline">{t("rules.days")} <input class="tiny" type="number" min={1} max={365} value={days.value} onInput={(e) => { days.value = Math.min(365, Math.max(1, Number(e.currentTarget.value) || 30)); }} /></label>
          </>}
          <span class="grow" />
          <Button type="submit" look="main" busy={act.busy === "propose"}>{t("rules.propose_submit")}</Button>
        </div>
      </form>
      {tests.value !== null && <TestRun run={tests.value} />}
      {dry.value !== null && <DryRun run={dry.value} />}
      <h3>{t("rules.difference")}</h3>
      <Diff before={current.source || current.print || ""} after={text.value} />
    </Card>
  );
}

function Proposed({ one, current, onDone }: { one: Policy; current: Policy; onDone: () => void }) {
  const s = useSession();
  const me = s.me.value;
  const act = useAct();
  const comment = useSignal("");
  const hash = useSignal<string | null>(null);
  const dry = useSignal<PolicyDryRun | null>(null);
  const full = useLoad<Policy>((signal) => s.client.get(`/v1/policies/${one.hash}`, {}, signal), [one.hash], () => false);
  const print = full.data.value?.print;
  useEffect(() => {
    if (print !== undefined) void sha256(print).then((h) => { hash.value = h; }, () => {});
  }, [print]);
  const own = one.proposed_by?.id === me?.user.id;
  const go = async (what: "approve" | "stop") => {
    const body = comment.value.trim() === "" ? {} : { comment: comment.value.trim() };
    if ((await act.run(what, () => s.client.send<Policy>("POST", `/v1/policies/${hash.value}/${what}`, body))) !== undefined) onDone();
  };
  return (
    <Card tone="warm" title={t("rules.waiting")}>
      <Facts rows={[
        [t("change.by"), one.proposed_by && `${one.proposed_by.name}, ${when(one.proposed_at)}`],
        [t("vote.comment"), one.comment],
        [t("change.works"), one.effective_at ? t("change.works_at", { time: when(one.effective_at) }) : t("change.works_approved")],
        [t("rules.checksum"), <code>{one.hash.slice(0, 8)}</code>],
      ]} />
      <Trouble problem={full.trouble.value} again={full.again} />
      {print === undefined ? <Loading /> : hash.value !== null && hash.value !== one.hash ? <Notice tone="bad">{t("rules.mismatch")}</Notice> : (
        <>
          <h3>{t("rules.difference")}</h3>
          <Diff before={current.print ?? ""} after={print} />
          <details><summary>{t("rules.whole")}</summary><pre class="code">{print}</pre></details>
          {hasRole(me!, "auditor") && <Button busy={act.busy === "dry"} onClick={() => void act.run("dry", () => s.client.send<PolicyDryRun>("POST", "/v1/policies/dry-run", { hash: one.hash })).then((r) => { if (r) dry.value = r; })}>{t("rules.dry")}</Button>}
          {dry.value !== null && <DryRun run={dry.value} />}
          <Field label={t("vote.comment")}>{(ids) => <input {...ids} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />}</Field>
          <ActTrouble act={act} />
          <div class="row" data-policy={one.hash}>
            {me?.admin && !own && <Button look="main" busy={act.busy === "approve"} disabled={hash.value === null} onClick={() => void go("approve")}>{t("rules.approve")}</Button>}
            <Button look="danger" busy={act.busy === "stop"} disabled={hash.value === null} onClick={() => void go("stop")}>{t(own ? "change.take_back" : "change.stop")}</Button>
            {own && <span class="help">{t("change.own")}</span>}
          </div>
        </>
      )}
    </Card>
  );
}

export function RulesPage() {
  const s = useSession();
  const me = s.me.value;
  const lists = me !== null && me !== undefined && hasRole(me, "auditor", "approver");
  const heard = (c: { type: string }) => c.type === "policy";
  const current = useLoad<Policy>((signal) => s.client.get("/v1/policies/current", {}, signal), [], heard);
  const all = useLoad<{ items: Policy[] }>((signal) => (lists ? s.client.get("/v1/policies", { limit: 50 }, signal) : Promise.resolve({ items: [] })), [lists], heard);
  const proposing = useSignal(false);
  const said = useSignal<Policy | null>(null);
  const again = () => { current.again(); all.again(); };
  const now = current.data.value;
  const items = all.data.value?.items ?? [];
  if (now === undefined) return <><PageHead title={t("rules.title")} />{current.trouble.value === null ? <Loading /> : <Trouble problem={current.trouble.value} again={current.again} />}</>;
  return (
    <>
      <PageHead title={t("rules.title")}><p class="lead">{t("rules.lead")}</p></PageHead>
      {all.trouble.value !== null && all.trouble.value.status !== 403 && <Trouble problem={all.trouble.value} again={all.again} />}
      {said.value !== null && <Notice tone="good" live><p>{said.value.state === "current" ? t("rules.now_current") : said.value.effective_at ? t("change.waits_until", { time: when(said.value.effective_at) }) : t("change.waits")}</p></Notice>}
      {items.filter((p) => p.state === "proposed").map((p) => <Proposed key={p.hash} one={p} current={now} onDone={again} />)}
      {proposing.value ? <Propose current={now} onDone={(p) => { proposing.value = false; said.value = p; again(); }} />
        : me?.admin && <div class="row"><Button look="main" onClick={() => { proposing.value = true; said.value = null; }}>{t("rules.propose")}</Button></div>}
      <Card title={t("rules.current")}>
        <Facts rows={[
          [t("rules.since"), when(now.effective_at ?? now.proposed_at)],
          [t("change.by"), now.proposed_by?.name],
          [t("rules.approved_by"), now.approved_by?.name ?? (now.sole_admin ? t("rules.sole") : "")],
          [t("rules.purposes"), now.purposes && <span class="chips">{now.purposes.map((p) => <span key={p.code} class="chip">{p.code}</span>)}</span>],
          [t("rules.checksum"), <code>{now.hash}</code>],
        ]} />
        <pre class="code" tabIndex={0} role="region" aria-label={t("rules.text")}>{now.print}</pre>
      </Card>
      {items.some((p) => p.state === "past" || p.state === "stopped") && (
        <Card title={t("rules.past")}>
          <ul class="plain rows">
            {items.filter((p) => p.state === "past" || p.state === "stopped").map((p) => (
              <li key={p.hash}><Badge tone="ended">{t(`rules.state.${p.state}`)}</Badge> <code>{p.hash.slice(0, 8)}</code> {p.comment} <span class="help">{p.proposed_by?.name} · {when(p.proposed_at)}</span></li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
