/* What is said on every page: that the brake is pulled, and that the account was signed in to from somewhere new. */
import { useSignal } from "@preact/signals";
import type { Freeze, FreezeList, Me } from "../api/types";
import { useLoad } from "../lib/load";
import { hasRole, useSession } from "../lib/session";
import { when } from "../lib/words";
import { t } from "../texts";
import { ActTrouble, useAct } from "./act";
import { Button, Dialog, Field, Notice } from "./parts";

const REASON_MIN = 10;

/* Why, of both ends of the brake. */
function ReasonDialog({ title, text, submit, danger, projects, onSend, onClose }: {
  title: string; text: string; submit: string; danger: boolean; projects: { id: string; name: string }[] | null;
  onSend: (reason: string, project: string) => Promise<boolean>; onClose: () => void;
}) {
  const act = useAct();
  const me = useSession().me.value;
  const reason = useSignal("");
  const project = useSignal(me?.admin ? "" : (projects?.[0]?.id ?? ""));
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(e) => {
        e.preventDefault();
        if (reason.value.trim().length < REASON_MIN) return;
        void act.run("send", () => onSend(reason.value.trim(), project.value)).then((ok) => { if (ok) onClose(); });
      }}>
        <p>{text}</p>
        {projects !== null && <Field label={t("freeze.what")}>{(ids) => (
          <select {...ids} value={project.value} onChange={(e) => { project.value = e.currentTarget.value; }}>
            {me?.admin && <option value="">{t("freeze.everything")}</option>}
            {projects.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
          </select>
        )}</Field>}
        <Field label={t("request.reason")} help={t("ask.reason_help", { n: REASON_MIN })}>{(ids) => (
          <textarea {...ids} rows={2} required minLength={REASON_MIN} maxLength={2000} value={reason.value} onInput={(e) => { reason.value = e.currentTarget.value; }} />
        )}</Field>
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look={danger ? "danger" : "main"} busy={act.busy !== ""}>{submit}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

export function FreezeBanner() {
  const s = useSession();
  const lifting = useSignal<Freeze | null>(null);
  const waits = useSignal(false);
  const list = useLoad<FreezeList>((signal) => s.client.get("/v1/freeze", {}, signal), [s.me.value?.user.id], (c) => c.type !== "viewing" && c.type !== "recording");
  const items = list.data.value?.items ?? [];
  if (items.length === 0) return null;
  return (
    <div class="brake" role="alert">
      {items.map((f) => (
        <div key={f.project ?? "*"} class="top-in" data-frozen={f.project ?? "*"}>
          <b>{f.project === null ? t("freeze.all") : t("freeze.project", { name: f.project_name ?? f.project })}</b>
          <span>{t("freeze.why", { name: f.by.name, time: when(f.at), reason: f.reason })}</span>
          <span class="grow" />
          {waits.value && <span>{t("freeze.waits")}</span>}
          {f.can?.includes("lift") && <Button onClick={() => { lifting.value = f; }}>{t("freeze.lift")}</Button>}
        </div>
      ))}
      {lifting.value !== null && (
        <ReasonDialog title={t("freeze.lift")} text={t("freeze.lift_text")} submit={t("freeze.lift")} danger={false} projects={null} onClose={() => { lifting.value = null; }} onSend={async (reason) => {
          const project = lifting.value?.project;
          const a = await s.client.send<FreezeList | object>("POST", "/v1/freeze/lift", { reason, ...(project ? { project } : {}) });
          waits.value = !("items" in a);
          list.again();
          return true;
        }} />
      )}
    </div>
  );
}

/* Pulls it: for administrators, and for who runs a project. */
export function FreezeButton() {
  const s = useSession();
  const open = useSignal(false);
  const me = s.me.value;
  if (!me || !hasRole(me, "project-admin")) return null;
  const projects = me.projects.filter((p) => me.admin || me.roles.some((r) => r.role === "project-admin" && (r.project === "*" || r.project === p.id)));
  return (
    <>
      <Button look="danger" onClick={() => { open.value = true; }}>{t("freeze.pull")}</Button>
      {open.value && <ReasonDialog title={t("freeze.pull")} text={t("freeze.pull_text")} submit={t("freeze.pull")} danger projects={projects} onClose={() => { open.value = false; }}
        onSend={async (reason, project) => { await s.client.send("POST", "/v1/freeze", { reason, ...(project === "" ? {} : { project }) }); return true; }} />}
    </>
  );
}

const SEEN = "keyhole.seen";
function seen(): string[] {
  try {
    return JSON.parse(localStorage.getItem(SEEN) ?? "[]") as string[];
  } catch {
    return [];
  }
}

/* Somebody signed in to this account from a browser or program that it did not know before. */
export function NewSignIns({ me }: { me: Me }) {
  const known = useSignal(seen());
  const list = (me.new_client_keys ?? []).filter((k) => k.client_key !== me.auth.client_key && !known.value.includes(k.client_key));
  if (list.length === 0) return null;
  return (
    <Notice live>
      {list.slice(0, 2).map((k) => <p key={k.client_key} data-new-sign-in>{t(`device.new.${k.client}`, { time: when(k.registered_at) })}</p>)}
      {list.length > 2 && <p>{t("device.more", { n: list.length - 2 })}</p>}
      <p>{t("device.what")} <Button onClick={() => {
        known.value = [...known.value, ...list.map((k) => k.client_key)].slice(-100);
        try {
          localStorage.setItem(SEEN, JSON.stringify(known.value));
        } catch {
          // it is said again next time
        }
      }}>{t("device.mine")}</Button></p>
    </Notice>
  );
}
