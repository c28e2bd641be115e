import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Recording } from "../../api/types";
import { useList } from "../../lib/load";
import { splitPath } from "../../lib/nav";
import { useSession } from "../../lib/session";
import { clock, when } from "../../lib/words";
import { t } from "../../texts";
import { AccessBadge, Links, LiveBadge, Tags, titleOf } from "../../ui/about";
import { Button, Empty, Field, Link, Loading, PageHead, Trouble } from "../../ui/parts";

const TYPING_MS = 250;

export function RecordingsPage() {
  const s = useSession();
  const { query } = splitPath(s.nav.path.value);
  const q = useSignal(query.get("q") ?? "");
  const kind = query.get("kind") ?? "";
  const access = query.get("access") ?? "";
  const project = query.get("project") ?? "";
  const projects = s.me.value?.projects ?? [];
  const list = useList<Recording>("/v1/recordings", { q: query.get("q") ?? undefined, kind, access, project },
    (c) => c.type === "recording" || c.type === "request" || c.type === "grant");

  function filter(name: string, value: string): void {
    const next = new URLSearchParams(query);
    if (value === "") next.delete(name);
    else next.set(name, value);
    const text = next.toString();
    s.nav.go("/recordings" + (text === "" ? "" : "?" + text), true);
  }
  useEffect(() => {
    if (q.value === (query.get("q") ?? "")) return;
    const timer = setTimeout(() => filter("q", q.value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [q.value]);

  const rows = list.data.value?.items;
  const filtered = [...query.keys()].length > 0;
  return (
    <>
      <PageHead title={t("rec.title")} />
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <Field label={t("rec.search")}>{(ids) => (
          <input {...ids} type="search" maxLength={200} value={q.value} onInput={(e) => { q.value = e.currentTarget.value; }} />
        )}</Field>
        <Field label={t("rec.filter.kind")}>{(ids) => (
          <select {...ids} value={kind} onChange={(e) => filter("kind", e.currentTarget.value)}>
            <option value="">{t("rec.filter.all")}</option>
            <option value="rrweb">{t("common.kind.rrweb")}</option>
            <option value="terminal">{t("common.kind.terminal")}</option>
          </select>
        )}</Field>
        <Field label={t("rec.filter.access")}>{(ids) => (
          <select {...ids} value={access} onChange={(e) => filter("access", e.currentTarget.value)}>
            <option value="">{t("rec.filter.all")}</option>
            {(["none", "asked", "scheduled", "open"] as const).map((a) => <option key={a} value={a}>{t(`access.${a}`)}</option>)}
          </select>
        )}</Field>
        {projects.length > 1 && <Field label={t("common.project")}>{(ids) => (
          <select {...ids} value={project} onChange={(e) => filter("project", e.currentTarget.value)}>
            <option value="">{t("rec.filter.all")}</option>
            {projects.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
          </select>
        )}</Field>}
      </form>
      <Trouble problem={list.trouble.value} again={list.again} />
      {rows === undefined ? list.trouble.value === null && <Loading /> : rows.length === 0 ? <Empty text={filtered ? "rec.empty_filtered" : "rec.empty"} /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr>
              <th scope="col">{t("rec.col.recording")}</th><th scope="col">{t("common.kind")}</th><th scope="col">{t("rec.col.started")}</th>
              <th scope="col" class="num">{t("rec.col.length")}</th><th scope="col">{t("rec.col.access")}</th>
            </tr></thead>
            <tbody>
              {rows.map((r) => (
                <tr key={r.id} data-recording={r.id}>
                  <th scope="row">
                    <Link to={`/recordings/${r.id}`} data-tour="recording">{titleOf(r)}</Link>
                    <div><Links links={r.links} most={4} /><Tags tags={r.tags} /></div>
                  </th>
                  <td>{t(`common.kind.${r.kind}`)}</td>
                  <td>{when(r.started_at ?? r.created_at)}</td>
                  <td class="num">{r.live ? <LiveBadge /> : clock(r.duration_ms)}</td>
                  <td><AccessBadge r={r} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {list.data.value?.cursor && <Button onClick={() => void list.more()}>{t("common.more")}</Button>}
    </>
  );
}
