/*
 * Watching one recording: opening -> on -> over. One that is still being made is followed when access says so; a seek or a pause leaves its
 * newest moment, and one can return to it. Over is final: everything that was fetched is dropped, the frame is taken away, and the
 * position is kept for another time.
 *
 * It ends when the first of these says so: this page's own clock (on the server's time) at the end of the window, the feed of
 * changes, or a refusal of the server. Nothing plays on while nobody can say that it may.
 *
 * A further access to the same recording (more time, or an approval after break-glass) takes over where the one in use would end, without a cut.
 */
import { batch, computed, signal } from "@preact/signals";
import type { Block, FromPlayer } from "../../../player/protocol";
import type { Action, Grant, Manifest, Page, Problem, Recording } from "../../api/types";
import { ApiError, problemFrom } from "../../lib/http";
import type { Session } from "../../lib/session";
import type { FrameLink } from "../../play/link";
import { createFollow, type Follow } from "../../play/follow";
import { columns, KINDS, momentsOf, overIdle, type MomentKind } from "../../play/moments";
import { createPass, type Pass } from "../../play/pass";
import { createSource, CutAnswer, type Source } from "../../play/source";

export type EndWhy = "window" | "revoked" | "given-back" | "stopped" | "suspended" | "lost" | "signed-out" | "unproved" | "limit" | "none" | "broken";
export interface Over { why: EndWhy; comment: string; by: string; problem: Problem | null; at_ms: number }

export const SPEEDS = [0.5, 1, 1.5, 2, 4, 8, 16];
const AHEAD_S = 6; // of play, at the chosen speed: the next chunk is fetched when less than this is left
const AHEAD_MIN_MS = 2500;
const BINS = 240;
const LATER_MAX = 20_000; // times of events behind the notes that are kept for the strip
const NEAR_MS = 500; // a moment so near is the one where one is, while it plays
const NEAR_PAUSED_MS = 50;
const SKIP_MS = 5000;
const TAKE_OVER_MS = 2000; // before the end: an access that begins at first use is begun
const NOTES_MS = 30_000; // while a recording is followed: how often its notes are read again
const FEED_SILENT_MS = 10_000; // no feed for so long: playing stops, because nobody could tell that access ended

const places = new Map<string, number>(); // where each recording stopped, for this visit

export function placeOf(rid: string): number {
  return places.get(rid) ?? 0;
}

/* Where hidden values were asked for and given, they are shown. */
const scopeOf = (g: Grant): Action[] | undefined => (g.actions.includes("unmask") ? g.actions.filter((a) => a !== "export") : undefined);

/* `start_ms`: where to begin, as an address may say; null: where one was. */
export function createWatch(s: Session, rid: string, start_ms: number | null = null) {
  const phase = signal<"opening" | "on" | "over">("opening");
  const over = signal<Over | null>(null);
  const recording = signal<Recording | null>(null);
  const grant = signal<Grant | null>(null);
  const manifest = signal<Manifest | null>(null);
  const window_ends = signal<string | null>(null);
  const at_ms = signal(start_ms ?? placeOf(rid));
  const playing = signal(true);
  const stalled = signal(true);
  const finished = signal(false);
  const renewing = signal(false);
  const speed = signal(1);
  const skipIdle = signal(false);
  const title = signal("");
  const length_ms = signal(0); // of the recording, as far as it is known
  const live = signal(false); // it is still being made
  const following = signal(false); // its newest moment is shown
  const behind_ms = signal(0);
  const wasLive = signal(false); // it ended while it was open here
  const waiting = signal<{ problem: Problem; until: number } | null>(null); // for the server, until then (this page's clock)
  const later = signal<number[]>([]); // of a recording that is being made: times of events behind what the notes tell
  const notes = signal<Manifest | null>(null); // the newest manifest: of a live recording it grows, while the player keeps the first
  const moments = computed(() => (notes.value === null ? [] : momentsOf(notes.value)));
  const shown = signal<ReadonlySet<MomentKind>>(new Set(KINDS.filter((k) => k !== "resize")));
  const listed = computed(() => moments.value.filter((m) => shown.value.has(m.kind)));
  const panel = signal(true);
  const activity = computed(() => (notes.value === null ? [] : columns(notes.value, length_ms.value, later.value, BINS)));

  let pass: Pass | null = null;
  let source: Source | null = null;
  let follow: Follow | null = null;
  let link: FrameLink | null = null;
  let viewing = "";
  let keyId = "";
  let fetching = false;
  let seeking = false;
  let all = false; // every event is in the player
  let buffered = 0;
  let turn = 0; // of seeks: what an older one brings is dropped
  let notesTimer: ReturnType<typeof setInterval> | undefined;
  let endTimer: ReturnType<typeof setTimeout> | undefined;
  let deafTimer: ReturnType<typeof setTimeout> | undefined;
  let opened = false;
  let next: Grant | null = null; // goes on where the one in use ends

  function finish(why: EndWhy, more: Partial<Over> = {}): void {
    if (phase.value === "over") return;
    clearTimeout(endTimer);
    clearTimeout(deafTimer);
    clearInterval(notesTimer);
    turn++;
    source?.stop();
    follow?.stop();
    follow = null;
    link?.send({ say: "end" });
    pass?.stop();
    source = null;
    places.set(rid, finished.value ? 0 : at_ms.value);
    batch(() => {
      playing.value = false;
      following.value = false;
      over.value = { why, comment: "", by: "", problem: null, at_ms: at_ms.value, ...more };
      phase.value = "over";
      manifest.value = null;
      notes.value = null;
      later.value = [];
    });
  }

  /* Asks the server how access stands, and ends as it says. `otherwise`: when it still stands. */
  async function ask(otherwise: EndWhy, problem: Problem | null): Promise<void> {
    const g = grant.value;
    if (g === null) return finish(otherwise, { problem });
    try {
      const now = await s.client.get<Grant>(`/v1/grants/${g.id}`);
      grant.value = now;
      const said = { comment: now.ended?.comment ?? "", by: now.ended?.by?.name ?? "" };
      switch (now.state) {
        case "EXPIRED": case "LAPSED": case "CANCELLED": return finish("window", said);
        case "REVOKED": return finish("revoked", said);
        case "RELINQUISHED": return finish("given-back", said);
        case "SUSPENDED": return finish("suspended", said);
        default: return finish(otherwise, { problem });
      }
    } catch (e) {
      finish(problemFrom(e).code === "login-needed" ? "signed-out" : "lost", { problem: problemFrom(e) });
    }
  }

  function fail(e: unknown): void {
    if (phase.value === "over" || (e instanceof DOMException && e.name === "AbortError")) return;
    if (e instanceof CutAnswer) return void ask("lost", null);
    if (!(e instanceof ApiError)) return finish("broken");
    const p = e.problem;
    if (p.code === "login-needed") return finish("signed-out");
    if (p.code === "proof-needed") return finish("unproved", { problem: p });
    if (p.code === "quota" || p.code === "rate-limited") return finish("limit", { problem: p });
    if (p.code === "network" || p.status === 503 || p.status === 429) return void ask("lost", p);
    if (p.code === "grant-ended" || p.code === "grant-suspended" || p.code.startsWith("key-") || p.code === "grant-state-conflict") return void ask("stopped", p);
    if (p.code === "scope" || p.code === "recording-mismatch" || p.status === 404 || p.status === 410) return finish("none", { problem: p });
    finish("broken", { problem: p });
  }

  function count(b: Block): void {
    const from = Math.max(notes.value?.notes.to_ms ?? 0, later.value.at(-1) ?? 0);
    const fresh = b.times.filter((t) => t > from);
    if (fresh.length > 0 && later.value.length < LATER_MAX) later.value = [...later.value, ...fresh];
  }

  function give(b: Block): void {
    buffered = b.to_ms;
    all = b.last;
    length_ms.value = Math.max(length_ms.value, b.to_ms);
    link?.send({ say: "block", ...b });
    count(b);
  }

  async function fetchManifest(p: Pass): Promise<Manifest> {
    const m = (await (await p.fetch(rid, "manifest", new AbortController().signal)).json()) as Manifest;
    source = createSource(m, async (path, signal) => (await p.fetch(rid, path, signal)).text());
    batch(() => {
      length_ms.value = m.duration_ms;
      live.value = m.live;
      notes.value = m;
    });
    return m;
  }

  const mayFollow = () => live.value && (grant.value?.actions.includes("live") ?? false);

  function startFollow(): void {
    const p = pass;
    const m = manifest.value;
    if (p === null || m === null || link === null || follow !== null) return;
    turn++;
    link.send({ say: "pause" });
    batch(() => {
      following.value = true;
      playing.value = true;
      stalled.value = true;
      finished.value = false;
    });
    const mine = createFollow(m.kind, m.base_ms, {
      open: (path, headers, signal) => p.fetch(rid, path, signal, headers),
      renew: () => p.renew(),
      pause: (ms) => new Promise((ok) => setTimeout(ok, ms)),
    }, {
      block: (b) => { give(b); at_ms.value = b.to_ms; },
      caughtUp: () => batch(() => { stalled.value = false; behind_ms.value = 0; }),
      behind: (ms) => { behind_ms.value = ms; },
      ended: () => void complete(),
      over: (_, e) => { if (e === null) void ask("lost", null); else fail(e); },
    });
    follow = mine;
    clearInterval(notesTimer);
    notesTimer = setInterval(() => { if (following.value && !fetching) void fetchManifest(p).catch(() => {}); }, NOTES_MS);
    void mine.run();
  }

  function leaveFollow(): void {
    clearInterval(notesTimer);
    follow?.stop();
    follow = null;
    batch(() => {
      following.value = false;
      behind_ms.value = 0;
    });
  }

  /* The recording ended while it was followed: from now on all of it can be played. */
  async function complete(): Promise<void> {
    const p = pass;
    const mine = ++turn;
    leaveFollow();
    all = true; // the player has all of it: while the manifest comes, nothing is fetched ahead of the place that is shown
    playing.value = false;
    try {
      if (p !== null) await fetchManifest(p);
      batch(() => {
        wasLive.value = true;
        live.value = false;
        if (mine !== turn) return; // somebody went elsewhere meanwhile
        stalled.value = false;
        finished.value = true;
        at_ms.value = length_ms.value;
      });
    } catch (e) {
      fail(e);
    }
  }

  async function seek(to: number): Promise<void> {
    const p = pass;
    if (source === null || manifest.value === null || link === null || p === null) return;
    const mine = ++turn;
    const wasFollowing = following.value;
    leaveFollow();
    batch(() => {
      at_ms.value = Math.max(0, Math.min(to, length_ms.value));
      stalled.value = true;
      finished.value = false;
    });
    if (playing.value) link.send({ say: "pause" });
    fetching = true;
    seeking = true;
    try {
      if (wasFollowing) await fetchManifest(p);
      if (mine !== turn) return;
      const b = await source.seek(at_ms.value);
      if (mine !== turn) return;
      give(b);
      stalled.value = false;
      if (playing.value) link.send({ say: "play" });
    } catch (e) {
      if (mine === turn) fail(e);
    } finally {
      if (mine === turn) {
        fetching = false;
        seeking = false;
      }
    }
  }

  async function ahead(): Promise<void> {
    const src = source;
    if (src === null || fetching || all || following.value || buffered - at_ms.value > Math.max(AHEAD_MIN_MS, AHEAD_S * 1000 * speed.value)) return;
    const mine = turn;
    fetching = true;
    try {
      const b = await src.next();
      if (mine === turn && b !== null) give(b);
    } catch (e) {
      if (mine === turn) fail(e);
    } finally {
      if (mine === turn) fetching = false;
    }
  }

  function hear(m: FromPlayer): void {
    if (phase.value !== "on") return;
    switch (m.say) {
      case "ready": {
        const man = manifest.value;
        if (opened || man === null) break;
        opened = true;
        const head = man.head as { cols?: number; rows?: number; width?: number; height?: number; theme?: unknown; term?: { cols?: number; rows?: number; theme?: unknown } };
        link?.send({
          say: "open", kind: man.kind, duration_ms: man.duration_ms, base_ms: man.base_ms, speed: speed.value, skip_idle: skipIdle.value,
          cols: Number(head.cols ?? head.width ?? head.term?.cols ?? 80), rows: Number(head.rows ?? head.height ?? head.term?.rows ?? 24), theme: head.theme ?? head.term?.theme ?? null,
        });
        if (mayFollow()) startFollow();
        else void seek(at_ms.value >= man.duration_ms - 1000 ? 0 : at_ms.value);
        break;
      }
      case "at":
        if (seeking || following.value) break; // still about the place one left, or the newest moment is all there is
        batch(() => {
          at_ms.value = m.at_ms;
          finished.value = m.finished;
          if (m.finished) playing.value = false;
          stalled.value = m.stalled;
        });
        if (m.finished && all && mayFollow()) startFollow();
        else if (playing.value && skipIdle.value && jumpIdle()) break;
        else if (playing.value || m.stalled) void ahead();
        break;
      case "pressed": press(m.key, m.shift); break;
      case "clicked": toggle(); break;
      case "title": title.value = m.title; break;
      case "broken": finish("broken"); break;
    }
  }

  /* Nobody does anything here: on to where somebody does. */
  function jumpIdle(): boolean {
    const to = overIdle(notes.value?.notes.idle ?? [], at_ms.value);
    if (to === null) return false;
    void seek(to);
    return true;
  }

  function toggle(): void {
    if (phase.value !== "on") return;
    if (following.value) {
      playing.value = false;
      void seek(at_ms.value);
      return;
    }
    if (finished.value) {
      playing.value = true;
      void seek(0);
      return;
    }
    playing.value = !playing.value;
    link?.send({ say: playing.value ? "play" : "pause" });
  }

  function setSpeed(x: number): void {
    speed.value = Math.min(x, manifest.value?.max_speed ?? x);
    link?.send({ say: "speed", speed: speed.value });
  }

  const help = signal(false);
  let fullscreen: () => void = () => {};

  /* A shortcut; true when it was one. */
  function press(key: string, shift: boolean): boolean {
    const m = manifest.value;
    if (phase.value !== "on" || m === null) return false;
    const near = SPEEDS.filter((x) => x <= m.max_speed);
    const jump = shift ? length_ms.value / 10 : SKIP_MS;
    switch (key) {
      case " ": case "k": toggle(); return true;
      case "ArrowLeft": void seek(at_ms.value - jump); return true;
      case "ArrowRight": void seek(at_ms.value + jump); return true;
      case "[": void seek([...listed.value].reverse().find((x) => x.at_ms < at_ms.value - (playing.value ? NEAR_MS : NEAR_PAUSED_MS))?.at_ms ?? 0); return true;
      case "]": { const next = listed.value.find((x) => x.at_ms > at_ms.value + 100); if (next) void seek(next.at_ms); return true; }
      case ",": link?.send({ say: "step", by: -1 }); return true;
      case ".": link?.send({ say: "step", by: 1 }); return true;
      case "<": setSpeed(near[Math.max(0, near.indexOf(speed.value) - 1)] ?? 1); return true;
      case ">": setSpeed(near[Math.min(near.length - 1, near.indexOf(speed.value) + 1)] ?? 1); return true;
      case "l": if (mayFollow()) startFollow(); return true;
      case "f": fullscreen(); return true;
      case "m": panel.value = !panel.value; return true;
      case "i": setSkip(!skipIdle.value); return true;
      case "?": help.value = !help.value; return true;
      default:
        if (!/^[0-9]$/.test(key)) return false;
        void seek((length_ms.value * Number(key)) / 10);
        return true;
    }
  }

  function setSkip(on: boolean): void {
    skipIdle.value = on;
    link?.send({ say: "skip-idle", on });
  }

  function armEnd(): void {
    clearTimeout(endTimer);
    if (window_ends.value === null) return;
    const left = Date.parse(window_ends.value) - s.now();
    // setTimeout holds 24 days; a window is at most hours.
    if (next !== null && left > TAKE_OVER_MS) endTimer = setTimeout(() => { if (next !== null) void takeOver(next); }, left - TAKE_OVER_MS);
    else endTimer = setTimeout(() => finish("window"), Math.max(0, left));
  }

  /* From now on under this access. When it gives nothing, the one in use ends when it ends. */
  async function takeOver(g: Grant): Promise<void> {
    next = null;
    armEnd();
    try {
      const k = await pass?.move(g.id);
      if (k === undefined || phase.value !== "on") return;
      const now = await s.client.get<Grant>(`/v1/grants/${g.id}`);
      viewing = k.viewing;
      keyId = k.key_id;
      batch(() => {
        grant.value = now;
        window_ends.value = k.window_ends;
      });
      follow?.reopen();
      armEnd();
    } catch {
      // the end of the access in use says the rest
    }
  }

  async function lookForNext(): Promise<void> {
    const mine = await s.client.get<Page<Grant>>("/v1/grants", { box: "mine", state: "live" }).catch(() => null);
    const now = grant.value;
    if (mine === null || now === null || phase.value !== "on") return;
    const others = mine.items.filter((g) => g.id !== now.id && g.actions.includes("play") && (scopeOf(now) === undefined || g.actions.includes("unmask")) && g.recordings.some((r) => r.id === rid));
    const ends = Date.parse(window_ends.value ?? "");
    const open = others.find((g) => g.state === "ACTIVE" && g.window !== null && Date.parse(g.window.end) > ends);
    if (open !== undefined) return takeOver(open);
    next = others.find((g) => g.state === "SCHEDULED" && g.start === "first-use" && g.extends?.grant === now.id) ?? null;
    armEnd();
  }

  /* Something about the access in use has changed: what one may do with it, or its end has come nearer (a ticket was closed). */
  async function lookAgain(): Promise<void> {
    const g = grant.value;
    if (g === null) return;
    const now = await s.client.get<Grant>(`/v1/grants/${g.id}`).catch(() => null);
    if (now === null || now.id !== grant.value?.id || phase.value !== "on") return;
    grant.value = now;
    if (now.window !== null) window_ends.value = now.window.end;
    armEnd();
  }

  const offFeed = s.live.on((c) => {
    if (phase.value !== "on") return;
    if (c.type === "reset") void check();
    else if (c.type === "grant" && c.id === grant.value?.id && c.state !== "ACTIVE") void ask("window", null);
    else if (c.type === "grant" && c.id === grant.value?.id) void lookAgain();
    else if (c.type === "grant" && (c.state === "ACTIVE" || c.state === "SCHEDULED")) void lookForNext();
    else if (c.type === "viewing" && c.id === viewing && c.state === "ended") void ask("stopped", null);
  });
  async function check(): Promise<void> {
    const g = grant.value;
    if (g === null) return;
    const now = await s.client.get<Grant>(`/v1/grants/${g.id}`).catch(() => null);
    if (now !== null && now.state !== "ACTIVE") void ask("window", null);
  }
  const offConnected = s.live.connected.subscribe((on) => {
    clearTimeout(deafTimer);
    if (!on && phase.value === "on") deafTimer = setTimeout(() => finish("lost"), FEED_SILENT_MS);
  });

  async function start(): Promise<void> {
    try {
      const r = await s.client.get<Recording>(`/v1/recordings/${rid}`);
      recording.value = r;
      if (r.access_grant === null || r.access_grant === undefined || (r.access !== "open" && r.access !== "scheduled")) return finish("none");
      const g = await s.client.get<Grant>(`/v1/grants/${r.access_grant}`);
      grant.value = g;
      if (!g.actions.includes("play")) return finish("none");
      if (g.state === "SUSPENDED") return finish("suspended");
      pass = createPass(s.client, g.id, rid, {
        renewing: (on) => { renewing.value = on; },
        waiting: (problem, ms) => { waiting.value = problem === null ? null : { problem, until: Date.now() + ms }; },
        failed: fail,
      }, scopeOf(g));
      const k = await pass.open();
      viewing = k.viewing;
      keyId = k.key_id;
      window_ends.value = k.window_ends;
      armEnd();
      const m = await fetchManifest(pass);
      if (phase.value !== "opening") return;
      batch(() => {
        manifest.value = m;
        phase.value = "on";
      });
      if (g.state !== "ACTIVE") void lookAgain(); // it began with this: what one may do with it has changed
      void lookForNext();
    } catch (e) {
      if (e instanceof ApiError && e.problem.code === "grant-state-conflict") finish("none", { problem: e.problem });
      else fail(e);
    }
  }
  void start();

  return {
    phase, over, recording, grant, manifest, window_ends, at_ms, playing, stalled, finished, renewing, speed, skipIdle, title, activity, help,
    notes, moments, shown, listed, panel,
    length_ms, live, following, behind_ms, wasLive, waiting, mayFollow,
    goLive: startFollow,
    seek: (to: number) => void seek(to),
    toggle, press, setSpeed, setSkip, finish,
    hear,
    show(kind: MomentKind, on: boolean) {
      const now = new Set(shown.value);
      if (on) now.add(kind);
      else now.delete(kind);
      shown.value = now;
    },
    useFrame(l: FrameLink) { link = l; },
    onFullscreen(f: () => void) { fullscreen = f; },
    /* The page goes away: its key is denied, so that the viewing ends now and not when the key would. */
    leave() {
      offFeed();
      offConnected();
      const live = phase.value === "on";
      if (live) finish("given-back");
      link?.close();
      if (live && keyId !== "" && s.me.value) void s.client.send("POST", `/v1/keys/${keyId}/revoke`).catch(() => {});
    },
  };
}

export type Watch = ReturnType<typeof createWatch>;
