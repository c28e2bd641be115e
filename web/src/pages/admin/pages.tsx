/* Web pages that record into a project: from which origins, and by which public tokens. */
import { useSignal } from "@preact/signals";
import type { GuardedChange, Project, Token } from "../../api/types";
import { useList, type List } from "../../lib/load";
import { originOf } from "../../lib/origin";
import { splitPath } from "../../lib/nav";
import { useSession } from "../../lib/session";
import { when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { ActTrouble, isWaiting, useAct } from "../../ui/act";
import { Badge, Button, Card, Dialog, Empty, Field, Loading, Notice, Trouble } from "../../ui/parts";
import { AdminFrame, listOf, SaidNotice, useSaid } from "./frame";

type Made = Token & { token: string };
const ORIGINS_MAX = 64;
const WORDS = ["title", "subject", "session", "env", "tags", "links"] as const; // what pages say of their recordings; a class has to be named
const statedText = (states: readonly string[] | undefined): string => (states ?? []).map((x) => tOr(`pages.state.${x}`, "pages.state.other", { word: x.replace(":", ": ") })).join(", ");

/* The element that a page gets. What it is made of is ours and the token's letters, so nothing has to be escaped. */
const scriptOf = (token: string): string => `<script src="${location.origin}/recorder.js"\n        data-token="${token}"></script>`;

function Origins({ project, hear }: { project: Project; hear: (x: Project | GuardedChange) => void }) {
  const s = useSession();
  const act = useAct();
  const written = useSignal("");
  const wrong = useSignal(false);
  const list = project.origins;

  async function save(name: string, origins: string[]): Promise<boolean> {
    const done = await act.run(name, () => s.client.send<Project | GuardedChange>("PATCH", `/v1/projects/${project.id}`, { origins }));
    if (done !== undefined) hear(done);
    return done !== undefined;
  }
  function add(): void {
    const origin = originOf(written.value);
    wrong.value = origin === null;
    if (origin === null) return;
    if (list.includes(origin)) written.value = "";
    else void save("add", [...list, origin]).then((ok) => { if (ok) written.value = ""; });
  }

  return (
    <Card title={t("pages.origins")}>
      <p class="help">{t("pages.origins_help")}</p>
      {list.length === 0 ? <Notice><p>{t("pages.origins_empty")}</p></Notice> : (
        <ul class="plain rows" data-origins={list.length}>
          {list.map((o) => (
            <li key={o}><code>{o}</code>{o.includes("://*.") && <span class="help">{t("pages.origin_star")}</span>}<span class="grow" />
              <Button look="danger" aria-label={t("pages.origin_remove", { name: o })} busy={act.busy === o} onClick={() => void save(o, list.filter((x) => x !== o))}>{t("pages.remove")}</Button></li>
          ))}
        </ul>
      )}
      <form class="filters top-aligned" onSubmit={(e) => { e.preventDefault(); add(); }}>
        <Field label={t("pages.origin_add")} help={t("pages.origin_add_help")} error={wrong.value ? t("pages.origin_wrong") : undefined}>{(ids) => (
          <input {...ids} maxLength={255} required autocapitalize="none" spellcheck={false} placeholder="https://shop.example.org" value={written.value} onInput={(e) => { written.value = e.currentTarget.value; wrong.value = false; }} />
        )}</Field>
        <div class="under-label"><Button type="submit" disabled={list.length >= ORIGINS_MAX} busy={act.busy === "add"}>{t("pages.add")}</Button></div>
      </form>
      <ActTrouble act={act} />
    </Card>
  );
}

function TokenDialog({ project, onDone, onClose }: { project: Project; onDone: (x: Made | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const act = useAct();
  const name = useSignal("");
  const words = useSignal<readonly string[]>(WORDS);
  const classes = useSignal("");
  async function make(): Promise<void> {
    const body: Record<string, unknown> = { kind: "ingest", browser: true, project: project.id };
    if (name.value.trim() !== "") body["name"] = name.value.trim();
    const states = [...words.value, ...listOf(classes.value).map((c) => `class:${c}`)];
    if (states.length !== WORDS.length || classes.value.trim() !== "") body["states"] = states;
    const done = await act.run("make", () => s.client.send<Made | GuardedChange>("POST", "/v1/tokens", body));
    if (done !== undefined) onDone(done);
  }
  return (
    <Dialog title={t("pages.token_new")} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void make(); }}>
        <p>{t("pages.token_new_text")}</p>
        <Field label={t("tokens.what_for")} help={t("pages.token_name_help")}>{(ids) => <input {...ids} maxLength={200} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} />}</Field>
        <fieldset class="field">
          <legend>{t("pages.states")}</legend>
          <div class="row">
            {WORDS.map((x) => <label key={x} class="inline"><input type="checkbox" checked={words.value.includes(x)} onChange={(e) => { words.value = WORDS.filter((y) => (y === x ? e.currentTarget.checked : words.value.includes(y))); }} /> {t(`pages.state.${x}`)}</label>)}
          </div>
          <div class="help">{t("pages.states_help")}</div>
        </fieldset>
        <Field label={t("pages.classes")} help={t("pages.classes_help")}>{(ids) => <input {...ids} maxLength={400} autocapitalize="none" spellcheck={false} value={classes.value} onInput={(e) => { classes.value = e.currentTarget.value; }} />}</Field>
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("tokens.make")}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

function Copy({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false);
  return (
    <div class="row">
      <Button aria-label={label} onClick={() => void navigator.clipboard.writeText(text).then(() => { copied.value = true; }, () => {})}>{t("tokens.copy")}</Button>
      <span role="status" class="help">{copied.value ? t("common.copied") : ""}</span>
    </div>
  );
}

/* Shown once: the server keeps no more than what it can recognise it by. */
function Shown({ made, onClose }: { made: Made; onClose: () => void }) {
  const script = scriptOf(made.token);
  return (
    <Dialog title={t("pages.made")} onClose={onClose}>
      <p>{t("pages.made_text")}</p>
      <h3>{t("pages.made_script")}</h3>
      <pre class="code wrapped" data-script>{script}</pre>
      <Copy text={script} label={t("pages.copy_script")} />
      <h3>{t("pages.made_token")}</h3>
      <p><code data-secret>{made.token}</code></p>
      <Copy text={made.token} label={t("pages.copy_token")} />
      <p class="help">{t("pages.made_policy")} <code>script-src {location.origin}; connect-src {location.origin}</code></p>
      <Button look="main" onClick={onClose}>{t("common.close")}</Button>
    </Dialog>
  );
}

function Row({ token, onEnd, busy }: { token: Token; onEnd: () => void; busy: boolean }) {
  return (
    <tr data-token={token.id}>
      <th scope="row">{token.name || token.id} {token.state !== "active" && <Badge tone="ended">{t(`tokens.state.${token.state}`)}</Badge>}</th>
      <td>{token.states?.length ? statedText(token.states) : t("pages.states_none")}</td>
      <td>{when(token.created_at)}{token.created_by ? ` · ${token.created_by.name}` : ""}</td>
      <td>{token.last_used_at ? when(token.last_used_at) : t("pages.never_used")}</td>
      <td>{token.state === "active" && <Button look="danger" busy={busy} onClick={onEnd}>{t("tokens.end")}</Button>}</td>
    </tr>
  );
}

function Tokens({ project, list, hear }: { project: Project; list: List<Token>; hear: (x: object | undefined, done: "tokens.ended" | "admin.saved") => boolean }) {
  const s = useSession();
  const act = useAct();
  const making = useSignal(false);
  const made = useSignal<Made | null>(null);
  const ending = useSignal<Token | null>(null);
  const tokens = list.data.value?.items.filter((k) => k.browser === true).sort((a, b) => Number(b.state === "active") - Number(a.state === "active"));

  async function end(k: Token): Promise<void> {
    const x = await act.run(k.id, async () => { await s.client.send("DELETE", `/v1/tokens/${k.id}`); return {}; });
    ending.value = null;
    if (hear(x, "tokens.ended")) list.again();
  }

  return (
    <Card title={t("pages.tokens")}>
      <p class="help">{t("pages.tokens_help")}</p>
      <Trouble problem={act.trouble ?? list.trouble.value} />
      {tokens === undefined ? list.trouble.value === null && <Loading /> : tokens.length === 0 ? <Empty text="pages.tokens_empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t("tokens.what_for")}</th><th scope="col">{t("pages.states")}</th><th scope="col">{t("pages.made_when")}</th><th scope="col">{t("tokens.last")}</th><th scope="col"><span class="hidden">{t("common.actions")}</span></th></tr></thead>
            <tbody>{tokens.map((k) => <Row key={k.id} token={k} busy={act.busy === k.id} onEnd={() => { ending.value = k; }} />)}</tbody>
          </table>
        </div>
      )}
      <div class="row">
        <Button look="main" onClick={() => { making.value = true; }}>{t("pages.token_new")}</Button>
        {list.data.value?.cursor && <Button onClick={() => void list.more()}>{t("common.more")}</Button>}
      </div>
      {making.value && <TokenDialog project={project} onClose={() => { making.value = false; }} onDone={(x) => {
        making.value = false;
        if (isWaiting(x)) hear(x, "admin.saved");
        else made.value = x;
        list.again();
      }} />}
      {made.value !== null && <Shown made={made.value} onClose={() => { made.value = null; }} />}
      {ending.value !== null && (
        <Dialog title={t("pages.end_title", { name: ending.value.name || ending.value.id })} onClose={() => { ending.value = null; }}>
          <p>{t("pages.end_text")}</p>
          <div class="row"><Button look="danger" busy={act.busy !== ""} onClick={() => { if (ending.value) void end(ending.value); }}>{t("tokens.end")}</Button><Button onClick={() => { ending.value = null; }}>{t("common.cancel")}</Button></div>
        </Dialog>
      )}
    </Card>
  );
}

function ProjectPages({ project, again }: { project: Project; again: () => void }) {
  const tokens = useList<Token>("/v1/tokens", { kind: "ingest", project: project.id, limit: 100 }, () => false);
  const { said, hear } = useSaid();
  const active = tokens.data.value?.items.some((k) => k.browser === true && k.state === "active") === true;
  return (
    <>
      <SaidNotice said={said} />
      {active && project.origins.length === 0 && <Notice tone="bad"><p>{t("pages.no_origin")}</p></Notice>}
      <Origins project={project} hear={(x) => { if (hear(x, "pages.origins_saved")) again(); }} />
      <Tokens project={project} list={tokens} hear={hear} />
    </>
  );
}

export function WebPagesPage() {
  const s = useSession();
  const me = s.me.value;
  const projects = useList<Project>("/v1/projects", { limit: 100 }, () => false);
  const wanted = splitPath(s.nav.path.value).query.get("project");
  const mine = projects.data.value?.items.filter((p) => me?.roles.some((r) => r.role === "project-admin" && (r.project === "*" || r.project === p.id)) === true);
  const one = mine?.find((p) => p.id === wanted) ?? mine?.[0];
  return (
    <AdminFrame section="pages">
      <Trouble problem={projects.trouble.value} again={projects.again} />
      {mine === undefined ? projects.trouble.value === null && <Loading /> : one === undefined ? <Empty text="pages.empty" /> : (
        <>
          {mine.length > 1 && (
            <Field label={t("common.project")}>{(ids) => (
              <select {...ids} value={one.id} onChange={(e) => s.nav.go(`/admin/pages?project=${e.currentTarget.value}`, true)}>{mine.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}</select>
            )}</Field>
          )}
          <ProjectPages key={one.id} project={one} again={projects.again} />
        </>
      )}
    </AdminFrame>
  );
}
