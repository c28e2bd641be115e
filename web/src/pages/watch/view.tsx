import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Grant, Manifest } from "../../api/types";
import { useLoad } from "../../lib/load";
import { splitPath } from "../../lib/nav";
import { useSession } from "../../lib/session";
import { clock, timeOfDay } from "../../lib/words";
import { connectFrame } from "../../play/link";
import { KINDS, momentAt, type Moment } from "../../play/moments";
import { t, tOr, type TextName } from "../../texts";
import { limitText, titleOf } from "../../ui/about";
import { Badge, Button, Card, Dialog, Link, Loading, Notice, PageHead, TimeLeft, useLeft, useTitle } from "../../ui/parts";
import { MoreTimeButton } from "../access/one";
import { GiveBack } from "../access/view";
import { createWatch, SPEEDS, type Watch } from "./state";

const HINTS: [string, TextName][] = [
  ["Space, K", "watch.hint.space"], ["← →", "watch.hint.arrows"], ["Shift ← →", "watch.hint.shift_arrows"], ["[ ]", "watch.hint.brackets"], ["0 … 9", "watch.hint.digits"],
  [", .", "watch.hint.comma"], ["< >", "watch.hint.angles"], ["F", "watch.hint.f"], ["M", "watch.hint.m"], ["I", "watch.hint.i"], ["L", "watch.hint.l"], ["?", "watch.hint.question"],
];

const ICONS = { play: "M7 4v16l13-8z", pause: "M6 4h4v16H6zM14 4h4v16h-4z", full: "M4 9V4h5v2H6v3zM15 4h5v5h-2V6h-3zM4 15h2v3h3v2H4zM18 15h2v5h-5v-2h3z" };
function Icon({ name }: { name: keyof typeof ICONS }) {
  return <svg class="icon" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d={ICONS[name]} fill="currentColor" /></svg>;
}

/* How much happens when, and what stands out, above the bar one drags. */
function Strip({ w }: { w: Watch }) {
  const m = w.notes.value;
  const bins = w.activity.value;
  if (m === null) return null;
  const most = Math.max(1, ...bins);
  const whole = w.length_ms.value;
  const x = (ms: number) => (whole === 0 ? 0 : (ms / whole) * 1000);
  return (
    <svg class="strip" viewBox="0 0 1000 32" preserveAspectRatio="none" aria-hidden="true">
      {m.notes.idle.slice(0, 1000).map(([from = 0, to = 0]) => <rect key={`i${from}`} class="idle" x={x(from)} width={Math.max(1, x(to) - x(from))} y="8" height="24" />)}
      {bins.map((n, i) => n > 0 && <rect key={i} class="busy" x={(i * 1000) / bins.length} width={1000 / bins.length} y={30 - (20 * Math.log1p(n)) / Math.log1p(most)} height={(20 * Math.log1p(n)) / Math.log1p(most) + 2} />)}
      {w.listed.value.slice(0, 2000).map((k, i) => <rect key={`m${i}`} class={`moment ${k.kind}`} x={x(k.at_ms)} width={k.kind === "marker" ? 3 : 2} y="0" height={k.kind === "page" || k.kind === "resize" ? 6 : k.kind === "marker" ? 32 : 12} />)}
      <rect class="now" x={x(w.at_ms.value)} width="2" y="0" height="32" />
    </svg>
  );
}

function momentText(m: Moment): string {
  switch (m.kind) {
    case "rage": return t("watch.moment.rage", { n: m.n });
    case "dead": return t("watch.moment.dead");
    case "request": return `${m.n === 0 ? t("watch.moment.no_answer") : m.n} ${m.text}`;
    case "resize": return t("watch.moment.resize", { size: m.text });
    default: return m.text;
  }
}

/* What there is altogether, in one line. */
function Totals({ m }: { m: Manifest }) {
  const c = m.notes.counts;
  const failed = c.requests.none + c.requests["4xx"] + c.requests["5xx"];
  const parts: [number, string][] = [
    [c.clicks, t("watch.total.clicks", { n: c.clicks })],
    [c.inputs, t("watch.total.inputs", { n: c.inputs })],
    [c.errors, t("watch.total.errors", { n: c.errors })],
    [c.console.warn, t("watch.total.warnings", { n: c.console.warn })],
    [Object.values(c.requests).reduce((a, b) => a + b, 0), t("watch.total.requests", { n: Object.values(c.requests).reduce((a, b) => a + b, 0), failed })],
  ];
  const text = parts.filter(([n]) => n > 0).map(([, s]) => s).join(" · ");
  return text === "" ? null : <p class="help" data-totals>{text}</p>;
}

const LIST_MAX = 400; // entries at once, around the present one

/* Pages, errors and the like, to jump to. */
function Moments({ w }: { w: Watch }) {
  const m = w.notes.value;
  const all = w.moments.value;
  const list = w.listed.value;
  const now = momentAt(list, w.at_ms.value + 50);
  const box = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const el = box.current?.querySelector<HTMLElement>("[aria-current]");
    if (el && box.current) box.current.scrollTop = Math.max(0, el.offsetTop - box.current.clientHeight / 2);
  }, [now, list.length]);
  if (m === null || all.length === 0) return null;
  const kinds = KINDS.filter((k) => all.some((x) => x.kind === k));
  const first = Math.max(0, Math.min(now - LIST_MAX / 2, list.length - LIST_MAX));
  return (
    <details class="moments" open={w.panel.value} onToggle={(e) => { w.panel.value = e.currentTarget.open; }}>
      <summary>{t("watch.moments", { n: all.length })}</summary>
      <Totals m={m} />
      <div class="row" role="group" aria-label={t("watch.moments.show")}>
        {kinds.map((k) => (
          <label key={k} class="inline"><input type="checkbox" checked={w.shown.value.has(k)} onChange={(e) => w.show(k, e.currentTarget.checked)} /> <i class={`dot ${k}`} /> {t(`watch.kind.${k}`)} ({all.filter((x) => x.kind === k).length})</label>
        ))}
      </div>
      <ol class="plain" ref={box} data-moments={list.length} tabIndex={-1}>
        {list.slice(first, first + LIST_MAX).map((x, i) => (
          <li key={first + i}>
            <button type="button" class="moment" data-kind={x.kind} {...(first + i === now ? { "aria-current": "true" as const } : {})} onClick={() => w.seek(x.at_ms)}>
              <span class="times">{clock(x.at_ms)}</span> <i class={`dot ${x.kind}`} aria-hidden="true" /> <span class="hidden">{t(`watch.kind.${x.kind}`)}</span> <span class="what">{momentText(x)}</span>
            </button>
          </li>
        ))}
      </ol>
      {m.notes.cut && <p class="help">{t("watch.moments.cut")}</p>}
      {m.live && <p class="help">{t("watch.moments.live", { time: clock(m.notes.to_ms) })}</p>}
    </details>
  );
}

/* Of a recording that is still being made: is this now, or how far from it. */
function LiveNote({ w }: { w: Watch }) {
  if (w.following.value) {
    return w.behind_ms.value > 0 ? <Badge tone="waiting">{t("watch.live.behind", { time: clock(w.behind_ms.value) })}</Badge>
      : <span data-live="now" title={t("watch.live.text")}><Badge tone="live">{t("watch.live")}</Badge></span>;
  }
  return w.mayFollow() ? <Button onClick={w.goLive}>{t("watch.live.go")}</Button> : <span class="help">{t("watch.live.not_now")}</span>;
}

/* Too fast, or the server restarts: why, what is left, and for how long. */
function Waiting({ w }: { w: Watch }) {
  const now = useSignal(Date.now());
  const on = w.waiting.value;
  useEffect(() => {
    if (on === null) return;
    const timer = setInterval(() => { now.value = Date.now(); }, 500);
    return () => clearInterval(timer);
  }, [on]);
  if (on === null) return null;
  const why = `${tOr(`code.${on.problem.code}`, "code.unknown")} ${limitText(on.problem)}`.trim();
  return <span class="help" role="status" data-waiting={on.problem.code}>{t("watch.waiting", { why, time: clock(Math.max(1000, on.until - now.value)) })}</span>;
}

function Controls({ w }: { w: Watch }) {
  const m = w.manifest.value;
  if (m === null) return null;
  const at = clock(w.at_ms.value);
  const of = clock(w.length_ms.value);
  return (
    <div class="controls" role="group" aria-label={t("watch.controls")}>
      <div class="bar">
        <Strip w={w} />
        <input type="range" class="seek" min={0} max={Math.max(1, w.length_ms.value)} step={100} value={w.at_ms.value} aria-label={t("watch.position")}
          aria-valuetext={t("watch.position_value", { at, of })} onInput={(e) => w.seek(Number(e.currentTarget.value))} />
      </div>
      <div class="row">
        <Button look="main" aria-label={t(w.playing.value ? "watch.pause" : "watch.play")} data-playing={w.playing.value} onClick={w.toggle}><Icon name={w.playing.value ? "pause" : "play"} /></Button>
        <Button aria-label={t("watch.back5")} onClick={() => w.press("ArrowLeft", false)}>−5</Button>
        <Button aria-label={t("watch.forward5")} onClick={() => w.press("ArrowRight", false)}>+5</Button>
        <span class="times" data-at={w.at_ms.value}>{at} / {of}</span>
        {w.live.value && <LiveNote w={w} />}
        <label class="inline">{t("watch.speed")} <select value={w.speed.value} onChange={(e) => w.setSpeed(Number(e.currentTarget.value))}>
          {SPEEDS.filter((x) => x <= m.max_speed).map((x) => <option key={x} value={x}>{x}×</option>)}
        </select></label>
        <label class="inline"><input type="checkbox" checked={w.skipIdle.value} onChange={(e) => w.setSkip(e.currentTarget.checked)} /> {t("watch.skip")}</label>
        <span class="grow help" role="status">{w.stalled.value && w.playing.value ? t("watch.stalled") : w.finished.value ? t(w.wasLive.value ? "watch.live.ended" : w.live.value ? "watch.live.not_now" : "watch.finished") : w.renewing.value ? t("watch.renewing") : ""}</span>
        <Waiting w={w} />
        <Button aria-label={t("watch.fullscreen")} onClick={() => w.press("f", false)}><Icon name="full" /></Button>
        <Button aria-label={t("watch.help")} onClick={() => { w.help.value = true; }}>?</Button>
      </div>
    </div>
  );
}

function Stage({ w }: { w: Watch }) {
  const s = useSession();
  const frame = useRef<HTMLIFrameElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const m = w.manifest.value;
  const player = s.me.value?.player_url ?? "";

  useEffect(() => {
    if (frame.current === null || m === null) return;
    const origin = new URL(player, location.href).origin;
    const link = connectFrame(frame.current, origin, w.hear);
    w.useFrame(link);
    w.onFullscreen(() => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else void box.current?.requestFullscreen?.();
    });
    frame.current.src = new URL(m.kind === "rrweb" ? "/dom" : "/terminal", player).href;
    return () => link.close();
  }, [m]);

  if (m === null) return null;
  return (
    <div class={`stage ${m.kind}`} ref={box}>
      <iframe ref={frame} title={t("watch.frame")} sandbox="allow-scripts allow-same-origin" referrerpolicy="no-referrer" allow="" />
      {m.watermark && <div class="watermark" aria-hidden="true">{Array.from({ length: 12 }, (_, i) => <span key={i}>{m.watermark}</span>)}</div>}
    </div>
  );
}

/* On hold: goes on by itself when the hold is lifted; the end of the time stays the end. */
function Held({ w, rid }: { w: Watch; rid: string }) {
  const s = useSession();
  const g = w.grant.value;
  const now = useLoad<Grant | null>(async (signal) => (g === null ? null : s.client.get<Grant>(`/v1/grants/${g.id}`, {}, signal)), [g?.id], (c) => c.type === "grant");
  const state = now.data.value?.state;
  useEffect(() => {
    if (state === "ACTIVE") s.nav.go(`/watch/${rid}?again=${Date.now()}`, true);
  }, [state]);
  const ends = now.data.value?.window?.end;
  if (state !== undefined && state !== "ACTIVE" && state !== "SUSPENDED") return <p>{tOr(`recording.last.${state}`, "code.grant-ended")}</p>;
  return ends ? <p>{t("watch.end.suspended.left", { time: timeOfDay(ends) })} <TimeLeft until={ends} /></p> : null;
}

function EndScreen({ w, rid }: { w: Watch; rid: string }) {
  const s = useSession();
  const o = w.over.value;
  useTitle(o === null ? "" : t(`watch.end.${o.why}`));
  if (o === null) return null;
  const at = clock(o.at_ms);
  const again = o.why === "lost" || o.why === "signed-out" || o.why === "broken" || o.why === "stopped" || o.why === "limit";
  return (
    <Card title={t(`watch.end.${o.why}`)} tone={o.why === "broken" || o.why === "lost" ? "bad" : "warm"}>
      <div role="alert" data-ended={o.why}>
        <p>{t(`watch.end.${o.why}.text`, { at })}</p>
        {o.comment !== "" && <p>{t("watch.end.said", { comment: o.comment })}</p>}
        {o.problem !== null && <p class="help">{tOr(`code.${o.problem.code}`, "code.unknown")} {limitText(o.problem)} {o.problem.trace_id !== "" && t("common.reference", { id: o.problem.trace_id })}</p>}
      </div>
      {o.why === "suspended" && <Held w={w} rid={rid} />}
      <div class="row">
        {o.why === "unproved" && <Button look="main" onClick={() => void s.signOut()}>{t("app.sign_in_again")}</Button>}
        {again && <Button look="main" onClick={() => s.nav.go(`/watch/${rid}?again=${Date.now()}`, true)}>{t("watch.reopen")}</Button>}
        <Link to={`/recordings/${rid}`} class={`button ${again ? "plain" : "main"}`}>{o.why === "lost" || o.why === "signed-out" ? t("watch.back") : t("watch.again")}</Link>
      </div>
    </Card>
  );
}

/* Said once at a minute and at ten seconds, for those who do not see the clock. */
function Soon({ until }: { until: string }) {
  const left = useLeft(until);
  const say = left === null ? "" : left <= 10_000 ? t("watch.soon.s") : left <= 60_000 ? t("watch.soon.min") : "";
  return <div role="status" class={say === "" ? "hidden" : "soon-note"}>{say}</div>;
}

/* "?at=83.25": seconds. */
export function startOf(path: string): number | null {
  const at = splitPath(path).query.get("at");
  return at !== null && /^\d{1,9}(\.\d{1,6})?$/.test(at) ? Math.round(Number(at) * 1000) : null;
}

export function WatchPage({ rid }: { rid: string }) {
  const s = useSession();
  const path = s.nav.path.value; // "again" makes another one
  const w = useMemo(() => createWatch(s, rid, startOf(path)), [rid, path]);
  const title = useComputed(() => (w.recording.value === null ? t("watch.title") : titleOf(w.recording.value)));
  useTitle(title.value);

  useEffect(() => {
    function onKey(e: KeyboardEvent): void {
      const el = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || el.closest("dialog")) return;
      if (el.matches("textarea, select, input:not([type=range]):not([type=checkbox])")) return;
      if (e.key === " " && el.matches("button, a, input[type=checkbox]")) return;
      if (el.matches("input[type=range]") && e.key.startsWith("Arrow") && !e.shiftKey) return;
      if (w.press(e.key, e.shiftKey)) e.preventDefault();
    }
    if (s.nav.inPage) addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      w.leave();
    };
  }, [w]);

  const g = w.grant.value;
  const asked = useSignal<"" | "one.taken" | "one.filed">("");
  return (
    <div class="watch" data-phase={w.phase.value}>
      <div class="row">
        <Link to={`/recordings/${rid}`}>{t("watch.back")}</Link>
        <span class="grow" />
        {w.phase.value === "on" && w.window_ends.value !== null && (
          <>
            <span class="help">{t("watch.ends_at", { time: timeOfDay(w.window_ends.value) })}</span>
            <TimeLeft until={w.window_ends.value} />
            {g !== null && <MoreTimeButton g={g} onDone={(q) => { asked.value = q.grant ? "one.taken" : "one.filed"; }} />}
            {g !== null && <GiveBack grant={{ ...g, can: ["relinquish"] }} onDone={() => w.finish("given-back")} />}
          </>
        )}
      </div>
      <PageHead title={title.value}>
        {w.phase.value === "on" && <p class="help">{t("watch.noticed")}{w.title.value !== "" && ` · ${w.title.value}`}</p>}
      </PageHead>
      {w.phase.value === "on" && asked.value !== "" && <Notice tone="good" live>{t(asked.value)}</Notice>}
      {w.phase.value === "on" && g?.ends_early && <Notice tone="bad"><p>{t(g.ends_early.cause === "ticket-closed" ? "one.ends_early.ticket" : "one.ends_early")} <TimeLeft until={g.ends_early.at} /></p></Notice>}
      {w.phase.value === "on" && g?.actions.includes("unmask") && <div data-unmasked={w.manifest.value?.unmasked === true}><Notice tone={w.manifest.value?.unmasked ? "bad" : undefined}><p>{t(w.manifest.value?.unmasked ? "watch.unmasked" : "watch.unmasked.none")}</p></Notice></div>}
      {w.phase.value === "on" && w.window_ends.value !== null && <Soon until={w.window_ends.value} />}
      {w.phase.value === "opening" && <><Notice live>{t("watch.opening")}</Notice><Loading /></>}
      {w.phase.value === "on" && <><Stage w={w} /><Controls w={w} /><Moments w={w} /></>}
      {w.phase.value === "over" && <EndScreen w={w} rid={rid} />}
      {w.help.value && (
        <Dialog title={t("watch.help")} onClose={() => { w.help.value = false; }}>
          <dl class="facts">{HINTS.map(([keys, text]) => <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{t(text)}</dd></div>)}</dl>
          <Button look="main" onClick={() => { w.help.value = false; }}>{t("common.close")}</Button>
        </Dialog>
      )}
    </div>
  );
}
