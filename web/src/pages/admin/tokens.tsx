import { useSignal } from "@preact/signals";
import type { GuardedChange, Token } from "../../api/types";
import { useList } from "../../lib/load";
import { hasRole, useSession } from "../../lib/session";
import { when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { ActTrouble, isWaiting, useAct } from "../../ui/act";
import { Badge, Button, Dialog, Empty, Field, Loading, Notice, Trouble } from "../../ui/parts";
import { AdminFrame, SaidNotice, useSaid } from "./frame";

type TokenKind = "ingest" | "api" | "gateway";
type Made = Token & { token: string };
const LIVES: [number, string][] = [[3600, "tokens.life.h1"], [43200, "tokens.life.h12"], [30 * 86400, "tokens.life.d30"], [365 * 86400, "tokens.life.y1"], [0, "tokens.life.never"]];

function TokenForm({ onDone, onClose }: { onDone: (x: Made | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const me = s.me.value;
  const act = useAct();
  const uploads = me !== null && me !== undefined && hasRole(me, "project-admin");
  const kind = useSignal<TokenKind>(uploads ? "ingest" : "api");
  const name = useSignal("");
  const project = useSignal(me?.projects[0]?.id ?? "");
  const user = useSignal("");
  const url = useSignal("");
  const life = useSignal(uploads ? 0 : 43200);

  async function submit(): Promise<void> {
    const body: Record<string, unknown> = { kind: kind.value };
    if (name.value.trim() !== "") body["name"] = name.value.trim();
    if (kind.value !== "api") body["project"] = project.value;
    if (kind.value === "gateway") body["url"] = url.value.trim();
    if (kind.value === "api" && user.value.trim() !== "") body["user"] = user.value.trim();
    if (life.value > 0) body["expires_in_s"] = life.value;
    const done = await act.run("save", () => s.client.send<Made | GuardedChange>("POST", "/v1/tokens", body));
    if (done !== undefined) onDone(done);
  }

  return (
    <Dialog title={t("tokens.new")} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <Field label={t("common.kind")} help={t(`tokens.kind.${kind.value}.help`)}>{(ids) => (
          <select {...ids} value={kind.value} onChange={(e) => {
            kind.value = e.currentTarget.value as TokenKind;
            life.value = e.currentTarget.value === "api" ? 43200 : 0;
          }}>
            {uploads && <option value="ingest">{t("tokens.kind.ingest")}</option>}
            <option value="api">{t("tokens.kind.api")}</option>
            {uploads && <option value="gateway">{t("tokens.kind.gateway")}</option>}
          </select>
        )}</Field>
        <Field label={t("tokens.what_for")}>{(ids) => <input {...ids} maxLength={200} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} />}</Field>
        {kind.value !== "api" && <Field label={t("common.project")}>{(ids) => (
          <select {...ids} value={project.value} onChange={(e) => { project.value = e.currentTarget.value; }}>{me?.projects.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}</select>
        )}</Field>}
        {kind.value === "gateway" && <Field label={t("tokens.url")} help={t("tokens.url_help")}>{(ids) => <input {...ids} type="url" required value={url.value} onInput={(e) => { url.value = e.currentTarget.value; }} />}</Field>}
        {kind.value === "api" && me?.admin && <Field label={t("tokens.user")} help={t("tokens.user_help")}>{(ids) => <input {...ids} maxLength={64} value={user.value} onInput={(e) => { user.value = e.currentTarget.value; }} />}</Field>}
        <Field label={t("tokens.life")}>{(ids) => (
          <select {...ids} value={life.value} onChange={(e) => { life.value = Number(e.currentTarget.value); }}>
            {LIVES.filter(([n]) => n > 0 || kind.value !== "api").map(([n, text]) => <option key={n} value={n}>{tOr(text, "common.unknown")}</option>)}
          </select>
        )}</Field>
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("tokens.make")}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

/* The secret is shown once, and nowhere else. */
function Secret({ made, onClose }: { made: Made; onClose: () => void }) {
  const copied = useSignal(false);
  return (
    <Dialog title={t("tokens.made")} onClose={onClose}>
      <p>{t("tokens.made_text")}</p>
      <p><code data-secret>{made.token}</code></p>
      <div class="row">
        <Button onClick={() => void navigator.clipboard.writeText(made.token).then(() => { copied.value = true; }, () => {})}>{t("tokens.copy")}</Button>
        <span role="status" class="help">{copied.value ? t("common.copied") : ""}</span>
        <span class="grow" />
        <Button look="main" onClick={onClose}>{t("common.close")}</Button>
      </div>
    </Dialog>
  );
}

export function TokensPage() {
  const s = useSession();
  const tokens = useList<Token>("/v1/tokens", {}, () => false);
  const making = useSignal(false);
  const made = useSignal<Made | null>(null);
  const act = useAct();
  const { said, hear } = useSaid();
  const projects = s.me.value?.projects ?? [];
  return (
    <AdminFrame section="tokens">
      <div class="row"><Button look="main" onClick={() => { making.value = true; }}>{t("tokens.new")}</Button></div>
      <SaidNotice said={said} />
      <Trouble problem={act.trouble ?? tokens.trouble.value} />
      <Notice><p>{t("tokens.note")}</p></Notice>
      {tokens.data.value === undefined ? tokens.trouble.value === null && <Loading /> : tokens.data.value.items.length === 0 ? <Empty text="tokens.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t("tokens.what_for")}</th><th scope="col">{t("common.kind")}</th><th scope="col">{t("tokens.whose")}</th><th scope="col">{t("tokens.ends")}</th><th scope="col">{t("tokens.last")}</th><th scope="col"><span class="hidden">{t("common.actions")}</span></th></tr></thead>
            <tbody>
              {tokens.data.value.items.map((k) => (
                <tr key={k.id} data-token={k.id}>
                  <th scope="row">{k.name || k.id} {k.state !== "active" && <Badge tone="ended">{t(`tokens.state.${k.state}`)}</Badge>}</th>
                  <td>{k.browser ? t("tokens.kind.ingest_browser") : tOr(`tokens.kind.${k.kind}`, "common.unknown")}</td>
                  <td>{k.user?.name ?? projects.find((p) => p.id === k.project)?.name ?? k.project}</td>
                  <td>{k.expires_at ? when(k.expires_at) : t("tokens.life.never")}</td>
                  <td>{when(k.last_used_at)}</td>
                  <td>{k.state === "active" && <Button look="danger" busy={act.busy === k.id} onClick={() => void act.run(k.id, async () => { await s.client.send("DELETE", `/v1/tokens/${k.id}`); return {}; }).then((x) => { if (hear(x, "tokens.ended")) tokens.again(); })}>{t("tokens.end")}</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {tokens.data.value?.cursor && <Button onClick={() => void tokens.more()}>{t("common.more")}</Button>}
      {making.value && <TokenForm onClose={() => { making.value = false; }} onDone={(x) => {
        making.value = false;
        if (isWaiting(x)) hear(x, "admin.saved");
        else made.value = x;
        tokens.again();
      }} />}
      {made.value !== null && <Secret made={made.value} onClose={() => { made.value = null; }} />}
    </AdminFrame>
  );
}
