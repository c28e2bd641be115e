import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { AuditEvent, Page } from "../../api/types";
import { useLoad } from "../../lib/load";
import { splitPath } from "../../lib/nav";
import { useSession } from "../../lib/session";
import { count, timeOfDay, when } from "../../lib/words";
import { t, type TextName } from "../../texts";
import { Button, Empty, Field, Link, Loading, PageHead, Trouble } from "../../ui/parts";
import { readLeaf, sayLeaf, typeFilters } from "./leaf";

type AuditPage = Page<AuditEvent> & { log: string; size: number; names?: Record<string, string> };

export function AuditPage() {
  const s = useSession();
  const me = s.me.value;
  const { query } = splitPath(s.nav.path.value);
  const system = me?.admin === true || me?.roles.some((r) => r.role === "auditor" && r.project === "*") === true;
  const projects = (me?.projects ?? []).filter((p) => me?.admin || me?.roles.some((r) => r.role === "auditor" && (r.project === "*" || r.project === p.id)));
  const log = query.get("log") ?? projects[0]?.id ?? (system ? "system" : "");
  const types = (query.get("type") ?? "all") as keyof typeof typeFilters;
  const recording = query.get("recording") ?? "";
  const open = useSignal<number | null>(null);
  const older = useSignal<AuditPage | null>(null);

  // Reading is itself a record, so this is read again when something happened, not by a clock.
  const page = useLoad<AuditPage>((signal) => s.client.get("/v1/audit/events", { log, type: typeFilters[types], recording, limit: 100 }, signal), [log, types, recording], () => true);
  useEffect(() => { older.value = null; }, [log, types, recording]);

  function filter(name: string, value: string): void {
    const next = new URLSearchParams(query);
    if (value === "") next.delete(name);
    else next.set(name, value);
    s.nav.go("/audit?" + next.toString(), true);
  }
  if (log === "") return <PageHead title={t("audit.title")}><p class="lead">{t("audit.none")}</p></PageHead>;

  const now = page.data.value;
  const names = { ...older.value?.names, ...now?.names };
  const name = (id: string | undefined) => (id === undefined ? "" : (names[id] ?? id));
  const items = [...(now?.items ?? []), ...(older.value?.items ?? [])];
  const cursor = older.value === null ? now?.cursor : older.value.cursor;
  return (
    <>
      <PageHead title={t("audit.title")}><p class="lead">{t("audit.lead")}</p></PageHead>
      <form class="filters" onSubmit={(e) => e.preventDefault()}>
        <Field label={t("audit.log")}>{(ids) => (
          <select {...ids} value={log} onChange={(e) => filter("log", e.currentTarget.value)}>
            {projects.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
            {system && <option value="system">{t("audit.system")}</option>}
          </select>
        )}</Field>
        <Field label={t("audit.type")}>{(ids) => (
          <select {...ids} value={types} onChange={(e) => filter("type", e.currentTarget.value)}>
            {Object.keys(typeFilters).map((k) => <option key={k} value={k}>{t(`audit.type.${k}` as TextName)}</option>)}
          </select>
        )}</Field>
        {now && <p class="help">{t("audit.size", { n: count(now.size) })}</p>}
        <Button onClick={page.again}>{t("audit.refresh")}</Button>
      </form>
      <Trouble problem={page.trouble.value} again={page.again} />
      {now === undefined ? page.trouble.value === null && <Loading /> : items.length === 0 ? <Empty text="audit.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table class="audit">
            <thead><tr><th scope="col" class="num">#</th><th scope="col">{t("audit.when")}</th><th scope="col">{t("audit.who")}</th><th scope="col">{t("audit.what")}</th><th scope="col">{t("audit.about")}</th><th scope="col"><span class="hidden">{t("audit.raw")}</span></th></tr></thead>
            <tbody>
              {items.map((e) => {
                const l = readLeaf(e);
                return (
                  <>
                    <tr key={e.index} data-type={l.type}>
                      <td class="num">{e.index}</td>
                      <td title={l.t}>{l.t && (l.t.slice(0, 10) === new Date(s.now()).toISOString().slice(0, 10) ? timeOfDay(l.t) : when(l.t))}</td>
                      <td>{name(l.actor)}</td>
                      <td>{sayLeaf(l)}</td>
                      <td>{l.rid !== undefined ? <Link to={`/recordings/${l.rid}`}>{name(l.rid)}</Link> : l.q !== undefined ? <Link to={`/requests/${l.q}`}>{t("request.title")}</Link> : ""}</td>
                      <td><button type="button" class="button link" aria-expanded={open.value === e.index} onClick={() => { open.value = open.value === e.index ? null : e.index; }}>{t("common.details")}</button></td>
                    </tr>
                    {open.value === e.index && <tr key={`${e.index}-raw`}><td colSpan={6}><p class="help">{t("audit.raw")}</p><pre>{e.raw}</pre>{e.facts && <pre>{JSON.stringify(e.facts, null, 1)}</pre>}</td></tr>}
                  </>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {cursor && <Button onClick={() => void s.client.get<AuditPage>("/v1/audit/events", { log, type: typeFilters[types], recording, limit: 100, cursor }).then((more) => {
        older.value = { ...more, items: [...(older.value?.items ?? []), ...more.items], names: { ...older.value?.names, ...more.names } };
      })}>{t("common.more")}</Button>}
    </>
  );
}
