import { useSignal } from "@preact/signals";
import type { Grant, Problem, Recording, Request } from "../../api/types";
import { problemFrom } from "../../lib/http";
import { useLoad } from "../../lib/load";
import { splitPath } from "../../lib/nav";
import { hasRole, useSession } from "../../lib/session";
import { clock, count, span, when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { AccessBadge, actionsText, beforehandText, Links, LiveBadge, Tags, titleOf } from "../../ui/about";
import { Button, Card, Facts, Link, Loading, Lock, PageHead, Trouble } from "../../ui/parts";
import { Standing } from "../access/one";
import { MissingPage } from "../other/view";
import { Progress } from "../request/view";
import { AskForm, Emergency } from "./ask";
import type { Before } from "./state";

function About({ r }: { r: Recording }) {
  const me = useSession().me.value;
  if (!me) return null;
  const project = me.projects.find((p) => p.id === r.project)?.name;
  return (
    <Card title={t("recording.facts")}>
      <Facts rows={[
        [t("common.project"), project],
        [t("common.kind"), t(`common.kind.${r.kind}`)],
        [t("recording.subject"), r.subject && (r.subject_is_pseudonym ? t("recording.subject_hidden", { name: r.subject }) : r.subject)],
        [t("recording.started"), when(r.started_at)],
        [t("recording.stored"), when(r.created_at)],
        [t("recording.length"), r.live ? t("recording.length_live") : clock(r.duration_ms)],
        [t("recording.events"), !r.live && count(r.events)],
        [t("recording.links"), r.links.length > 0 && <Links links={r.links} to={r.access === "open" ? (at) => `/watch/${r.id}?at=${(at / 1000).toFixed(2)}` : undefined} />],
        [t("recording.tags"), Object.keys(r.tags).length > 0 && <Tags tags={r.tags} />],
        [t("recording.session"), r.session],
        [t("recording.env"), r.env],
        [t("recording.class"), r.class],
        [t("recording.id"), <code>{r.id}</code>],
      ]} />
      {hasRole(me, "auditor") && <p><Link to={`/reports?kind=recording&recording=${r.id}`}>{t("reports.link")}</Link></p>}
    </Card>
  );
}

/* While a request waits: what was asked, who can decide. Changes by itself. */
function Waiting({ request }: { request: Request }) {
  const s = useSession();
  const trouble = useSignal<Problem | null>(null);
  return (
    <Card title={t("wait.title")} tone="warm">
      <div role="status"><Progress q={request} /></div>
      <p class="help">{t("wait.text", { time: when(request.lapses_at) })}</p>
      <Facts rows={[
        [t("request.purpose"), request.purpose.code],
        [t("request.reason"), request.purpose.reason],
        [t("request.ticket"), request.purpose.ticket],
        [t("request.duration"), span(request.duration_s)],
        [t("request.viewers"), (request.viewers?.length ?? 1) > 1 && request.viewers?.map((p) => p.name).join(", ")],
        [t("request.beforehand"), beforehandText(request)],
      ]} />
      <p><Link to={`/requests/${request.id}`}>{t("recording.request")}</Link></p>
      <Trouble problem={trouble.value} />
      {request.can?.includes("cancel") !== false && (
        <Button onClick={() => void s.client.send("POST", `/v1/requests/${request.id}/cancel`).catch((e: unknown) => { trouble.value = problemFrom(e); })}>{t("wait.cancel")}</Button>
      )}
    </Card>
  );
}

/* Where to begin, when one came by a link to a second. */
function watchFrom(rid: string, path: string): string {
  const at = Number(splitPath(path).query.get("at") ?? NaN);
  return `/watch/${rid}${at > 0 ? `?at=${at}` : ""}`;
}

function Ready({ r, grant }: { r: Recording; grant: Grant }) {
  const from = useSession().nav.path.value;
  const open = grant.state === "ACTIVE";
  const watchable = grant.actions.includes("play");
  const now = open || (grant.state === "SCHEDULED" && grant.start === "first-use");
  return (
    <Card title={t(open ? "access.open.long" : "access.scheduled.long")} tone="good">
      {!watchable && <p>{t("recording.other_access", { actions: actionsText(grant.actions) })}</p>}
      <Standing g={grant} />
      {watchable && now && <Link to={watchFrom(r.id, from)} class="button main" data-tour="watch">{t(open ? "recording.watch" : "recording.start")}</Link>}
      <p><Link to={`/access/${grant.id}`}>{t("recording.access")}</Link></p>
    </Card>
  );
}

/* How the last attempt ended, and its words again in the form. */
function lastWords(q: Request | null, g: Grant | null): string[] {
  if (q === null) return [];
  const out = [tOr(`recording.last.${g?.state ?? q.state}`, "app.loading")];
  const denied = q.votes.find((v) => v.vote === "deny" && v.comment);
  if (denied?.comment) out.push(t("recording.last.said", { name: denied.voter.name, comment: denied.comment }));
  if (g?.ended?.comment && g.ended.by) out.push(t("recording.last.said", { name: g.ended.by.name, comment: g.ended.comment }));
  return out;
}

interface Seen { r: Recording; q: Request | null; g: Grant | null }

export function RecordingPage({ rid }: { rid: string }) {
  const s = useSession();
  const seen = useLoad<Seen>(async (signal) => {
    const r = await s.client.get<Recording>(`/v1/recordings/${rid}`, {}, signal);
    const q = r.access_request ? await s.client.get<Request>(`/v1/requests/${r.access_request}`, {}, signal) : null;
    const gid = r.access_grant ?? q?.grant;
    const g = gid ? await s.client.get<Grant>(`/v1/grants/${gid}`, {}, signal) : null;
    return { r, q, g };
  }, [rid], (c) => c.type === "request" || c.type === "grant" || (c.type === "recording" && c.id === rid));

  const trouble = seen.trouble.value;
  if (trouble?.status === 404) return <MissingPage />;
  const now = seen.data.value;
  if (now === undefined) return trouble === null ? <Loading /> : <Trouble problem={trouble} again={seen.again} />;
  const { r, q, g } = now;
  const before: Before = r.access === "none" && q !== null
    ? { purpose: q.purpose.code, reason: q.purpose.reason, ticket: q.purpose.ticket ?? "", duration_s: q.duration_s } : {};
  return (
    <>
      <p><Link to="/recordings">{t("recording.back")}</Link></p>
      <PageHead title={titleOf(r)}><span class="row"><AccessBadge r={r} />{r.live && <LiveBadge />}</span></PageHead>
      <Trouble problem={trouble} again={seen.again} />
      <div class="two" data-access={r.access}>
        <div>
          {r.access === "none" && (
            <>
              <Card title={t("access.none.long")} tone="warm">
                <div class="why"><Lock open={false} /><p>{t("recording.why_locked")}</p></div>
                {lastWords(q, g).map((w) => <p key={w}>{w}</p>)}
              </Card>
              <AskForm recording={r} before={before} onAsked={seen.again} />
              <Emergency recording={r} onAsked={seen.again} />
            </>
          )}
          {r.access === "asked" && q !== null && <><Waiting request={q} /><Emergency recording={r} onAsked={seen.again} /></>}
          {(r.access === "open" || r.access === "scheduled") && g !== null && <Ready r={r} grant={g} />}
        </div>
        <About r={r} />
      </div>
    </>
  );
}
