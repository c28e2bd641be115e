/* How recordings, requests and access look wherever they appear. */
import type { Grant, Link as LinkOf, Linked, More, MoreTime, Problem, Recording, Request, RequestRecording } from "../api/types";
import { bytes, clock, count, span, timeOfDay, when } from "../lib/words";
import { t, tOr } from "../texts";
import { Badge, Card, Link, Lock, TimeLeft } from "./parts";

export function titleOf(r: { title?: string | null; id: string }): string {
  return r.title || t("common.untitled");
}

export function AccessBadge({ r }: { r: Recording }) {
  const tone = { none: "closed", asked: "waiting", scheduled: "ready", open: "open" } as const;
  return (
    <span class="access">
      <Lock open={r.access === "open"} />
      <Badge tone={tone[r.access]}>{t(`access.${r.access}`)}</Badge>
      {r.access === "open" && r.window_ends && <TimeLeft until={r.window_ends} />}
    </span>
  );
}

export function LiveBadge() {
  return <Badge tone="live">{t("rec.live")}</Badge>;
}

export function StateBadge({ state }: { state: Request["state"] | Grant["state"] }) {
  const tone = state === "PENDING" ? "waiting" : state === "SCHEDULED" ? "ready" : state === "ACTIVE" ? "open" : state === "SUSPENDED" ? "waiting" : "ended";
  return <Badge tone={tone}>{tOr(`state.${state}`, "common.unknown")}</Badge>;
}

/* What came with the events can be many: a list shows the first few. With `to`, what has its second leads there. */
export function Links({ links, to, most = 200 }: { links?: LinkOf[] | undefined; to?: ((at_ms: number) => string) | undefined; most?: number }) {
  if (!links?.length) return null;
  const chip = (l: LinkOf) => <><b>{l.type}</b> {l.id}{l.at_ms !== undefined && ` · ${clock(l.at_ms)}`}</>;
  return (
    <span class="chips">
      {links.slice(0, most).map((l) => to && l.at_ms !== undefined ? <Link class="chip" key={l.type + l.id} to={to(l.at_ms)}>{chip(l)}</Link> : <span class="chip" key={l.type + l.id}>{chip(l)}</span>)}
      {links.length > most && <span class="chip">{t("recording.links_more", { n: links.length - most })}</span>}
    </span>
  );
}

export function Tags({ tags }: { tags?: Record<string, string> | undefined }) {
  const all = Object.entries(tags ?? {});
  if (all.length === 0) return null;
  return <span class="chips">{all.map(([k, v]) => <span class="chip" key={k}>{v === "" ? k : `${k}: ${v}`}</span>)}</span>;
}

export function RecordingLine({ r }: { r: RequestRecording }) {
  if (r.gone) return <span>{t("request.recording_gone")} <code>{r.id}</code></span>;
  return (
    <span class="recording-line">
      <b>{titleOf(r)}</b>
      <span class="help">
        {[r.kind && t(`common.kind.${r.kind}`), r.duration_ms !== undefined && clock(r.duration_ms), when(r.started_at), r.subject, r.public && t("recording.public_short")].filter(Boolean).join(" · ")}
      </span>
      <Links links={r.links} /><Tags tags={r.tags} />
    </span>
  );
}

export function startText(r: { start: string; start_by_s: number }): string {
  if (r.start === "approval") return t("request.start.approval");
  if (r.start === "first-use") return t("request.start.first-use", { time: span(r.start_by_s) });
  return t("request.start.at", { time: when(r.start) });
}

export function actionsText(actions: string[]): string {
  return actions.map((a) => tOr(`action.${a}`, "common.unknown")).join(", ");
}

/* What was decided beforehand: recordings that may be added, time that may be added. */
export function beforehandText(r: { more?: More | null; more_time?: MoreTime | null }): string {
  return [
    r.more?.max ? t(`beforehand.more.${r.more.same ?? "session"}`, { n: r.more.max }) : "",
    r.more_time?.times ? t("beforehand.time", { n: r.more_time.times, time: span(r.more_time.each_s ?? 0) }) : "",
  ].filter(Boolean).join(" ");
}

/* Requests that prolong, join or widen another one. */
export function LinkedList({ list }: { list?: Linked[] | undefined }) {
  if (!list?.length) return null;
  return (
    <Card title={t("linked.title")}>
      <ul class="plain rows">
        {list.map((l) => (
          <li key={l.request}><StateBadge state={l.state} /> <Link to={`/requests/${l.request}`}>{t(`linked.${l.kind}`, { name: l.requester.name })}</Link>
            {l.grant !== null && <Link to={`/access/${l.grant}`}>{t("linked.access")}</Link>}</li>
        ))}
      </ul>
    </Card>
  );
}

/* Which limit was reached, and how much of it is used; empty when the server did not say. */
export function limitText(p: Problem): string {
  if (p.left === undefined) return "";
  const size = p.left.name === "key_bytes" || p.left.name === "key_rate" ? bytes : count;
  return tOr(`limit.${p.left.name}`, "limit.other", { limit: size(p.left.limit), used: size(p.left.used) });
}

export { clock, span, timeOfDay, when };
