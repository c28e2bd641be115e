/*
 * The stories that run by themselves: people in two views of the real app, each with a sign-in of their own, driven through what is on the
 * page as a person would. Besides signing in, nothing here calls the server but to put away what an earlier round left open.
 */
import type { Demo, Grant, Page, Recording, Request } from "../../api/types";
import { memoryNav } from "../../lib/nav";
import { createSession, tokenFor, type Session } from "../../lib/session";
import { t } from "../../texts";

/* Each with how many steps it says (texts tour.<chapter>.<n>; the first one's are tour.step.<n>). */
export const CHAPTERS = { story: 9, two: 5, more: 5, along: 5, ended: 4, emergency: 5, hidden: 5, page: 7 } as const;
export type Chapter = keyof typeof CHAPTERS;
export const WINDOW_S = 14; // how long the engineer asks for

export class Stopped extends Error {}

const wait = (ms: number, stop: AbortSignal) => new Promise<void>((done, fail) => {
  if (stop.aborted) return fail(new Stopped());
  const timer = setTimeout(done, ms);
  stop.addEventListener("abort", () => { clearTimeout(timer); fail(new Stopped()); }, { once: true });
});

/* The first element that is there and can be used. */
async function find<T extends HTMLElement>(side: HTMLElement, selector: string, stop: AbortSignal, patience_ms = 10_000): Promise<T> {
  const end = Date.now() + patience_ms;
  for (;;) {
    const el = side.querySelector<T>(selector);
    if (el !== null && !(el as unknown as HTMLButtonElement).disabled) return el;
    if (Date.now() > end) throw new Error(selector);
    await wait(80, stop);
  }
}

async function point(el: HTMLElement, stop: AbortSignal): Promise<void> {
  el.scrollIntoView({ block: "nearest", behavior: "smooth" });
  el.classList.add("tour-hit");
  try {
    await wait(900, stop);
  } finally {
    el.classList.remove("tour-hit");
  }
}

async function click(side: HTMLElement, selector: string, stop: AbortSignal): Promise<void> {
  const el = await find(side, selector, stop);
  await point(el, stop);
  el.click();
}

/* Preact hears input and change events, as from a person. */
async function type(el: HTMLInputElement | HTMLTextAreaElement, text: string, stop: AbortSignal, each_ms: number): Promise<void> {
  el.scrollIntoView({ block: "nearest" });
  for (let i = 1; i <= text.length; i += 2) {
    el.value = text.slice(0, i + 1);
    el.dispatchEvent(new Event("input", { bubbles: true }));
    await wait(each_ms, stop);
  }
}

function choose(el: HTMLSelectElement, value: string): void {
  el.value = value;
  el.dispatchEvent(new Event("change", { bubbles: true }));
}

export async function signIn(demo: Demo, name: string, path: string): Promise<Session> {
  const account = demo.accounts.find((a) => a.name === name);
  if (account === undefined) throw new Error(name);
  const s = createSession(await tokenFor(account.name, account.password), memoryNav(path));
  await s.load();
  return s;
}

/* A page of somebody else's in a frame, which does by itself what it is asked to. */
export interface Visitor { ask(act: "come" | "buy" | "leave"): Promise<void> }
export interface Stage {
  left: HTMLElement;
  right: HTMLElement;
  say(step: number): void;
  show(side: "left" | "right", s: Session): void;
  open(): Promise<Visitor>; // the demo's shop, on the left
  stop: AbortSignal;
}
export interface Cast { engineer: Session; second: Session; approver: Session; lead: Session; auditor: Session }

/* Nothing of earlier rounds is in the way. */
async function putAway(s: Session): Promise<void> {
  for (const g of (await s.client.get<Page<Grant>>("/v1/grants", { box: "mine", state: "live" })).items)
    await s.client.send("POST", `/v1/grants/${g.id}/relinquish`).catch(() => {});
  for (const q of (await s.client.get<Page<Request>>("/v1/requests", { box: "mine", state: "PENDING,SCHEDULED" })).items)
    await s.client.send("POST", `/v1/requests/${q.id}/cancel`).catch(() => {});
}

async function closedOne(s: Session): Promise<Recording> {
  // A closed one: an earlier round may have left another open.
  const list = await s.client.get<Page<Recording>>("/v1/recordings", { access: "none" });
  const r = list.items.find((x) => x.kind === "rrweb" && x.links.some((l) => l.type === "error")) ?? list.items.find((x) => x.kind === "rrweb") ?? list.items[0];
  if (r === undefined) throw new Error(t("rec.empty"));
  return r;
}

interface Wish { seconds: number; purpose?: string; quick?: boolean }
async function ask({ left, stop }: Stage, w: Wish): Promise<void> {
  const reason = await find<HTMLTextAreaElement>(left, "[data-tour=reason]", stop);
  choose(await find<HTMLSelectElement>(left, "[data-tour=purpose]", stop), w.purpose ?? "debugging"); // the form remembers the last one
  await type(reason, t("tour.reason"), stop, w.quick ? 12 : 45);
  const duration = await find<HTMLInputElement>(left, "[data-tour=duration]", stop);
  choose(await find<HTMLSelectElement>(left, "[data-tour=unit]", stop), "s");
  await type(duration, String(w.seconds), stop, 60);
  await click(left, "[data-tour=ask]", stop);
}
async function watch({ left, stop }: Stage): Promise<void> {
  await click(left, "[data-tour=watch]", stop);
  await find(left, ".stage iframe", stop);
}
/* The engineer asks for a recording, one person agrees, it plays. */
async function opened(g: Stage, c: Cast, seconds: number): Promise<Recording> {
  const r = await closedOne(c.engineer);
  c.engineer.nav.go(`/recordings/${r.id}`);
  await ask(g, { seconds, quick: true });
  c.approver.nav.go("/inbox");
  await click(g.right, "[data-tour=approve]", g.stop);
  await watch(g);
  return r;
}

async function story(g: Stage, c: Cast): Promise<void> {
  const { left, right, stop, say } = g;
  say(1);
  const r = await closedOne(c.engineer);
  await click(left, `tr[data-recording="${r.id}"] [data-tour=recording]`, stop);
  await wait(1800, stop);
  say(2);
  await ask(g, { seconds: WINDOW_S });
  say(3);
  c.approver.nav.go("/inbox");
  await find(right, "[data-tour=approve]", stop);
  await wait(1500, stop);
  say(4);
  await wait(1500, stop);
  await click(right, "[data-tour=approve]", stop);
  say(5);
  await find(left, "[data-tour=watch]", stop);
  await wait(1200, stop);
  await watch(g);
  say(6);
  c.approver.nav.go("/watching");
  await find(left, "[data-ended]", stop, (WINDOW_S + 10) * 1000);
  say(7);
  await wait(3000, stop);
  say(8);
  g.show("right", c.auditor);
  c.auditor.nav.go(`/audit?log=${r.project}`);
  await find(right, "table.audit tbody tr", stop);
}

async function two(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  const r = await closedOne(c.engineer);
  c.engineer.nav.go(`/recordings/${r.id}`);
  await ask(g, { seconds: 40, purpose: "security" });
  g.say(2);
  c.approver.nav.go("/inbox");
  await click(g.right, "[data-tour=approve]", g.stop);
  await find(g.left, "[data-agreed='1']", g.stop);
  await wait(2500, g.stop);
  g.say(3);
  g.show("right", c.lead);
  c.lead.nav.go("/inbox");
  await wait(1500, g.stop);
  await click(g.right, "[data-tour=approve]", g.stop);
  g.say(4);
  await watch(g);
  await wait(5000, g.stop);
  await click(g.left, "[data-tour=give-back]", g.stop);
  await find(g.left, "[data-ended]", g.stop);
}

async function more(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  await opened(g, c, 24);
  g.say(2);
  await click(g.left, "[data-tour=more-time]", g.stop);
  await wait(1200, g.stop);
  await click(g.left, "[data-tour=more-time-ask]", g.stop);
  g.say(3);
  await wait(1000, g.stop);
  await click(g.right, "[data-tour=approve]", g.stop);
  g.say(4);
  await wait(20_000, g.stop); // past the end of the first one
  await find(g.left, ".stage iframe", g.stop, 500);
}

async function along(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  await opened(g, c, 90);
  g.say(2);
  const mine = await c.engineer.client.get<Page<Grant>>("/v1/grants", { box: "mine", state: "live" });
  const access = mine.items[0];
  if (access === undefined) throw new Error(t("myaccess.live_empty"));
  c.second.nav.go(`/access/${access.id}`);
  g.show("right", c.second);
  await wait(1500, g.stop);
  await click(g.right, "[data-tour=join]", g.stop);
  await wait(1500, g.stop);
  g.say(3);
  g.show("right", c.approver);
  c.approver.nav.go("/inbox");
  await wait(1500, g.stop);
  await click(g.right, "[data-tour=approve]", g.stop);
  await wait(1000, g.stop);
  g.say(4);
  g.show("right", c.second);
  c.second.nav.go(`/recordings/${access.recordings[0]?.id ?? ""}`);
  await click(g.right, "[data-tour=watch]", g.stop);
  await find(g.right, ".stage iframe", g.stop);
  await wait(6000, g.stop);
}

async function ended(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  await opened(g, c, 120);
  await wait(2500, g.stop);
  g.say(2);
  g.show("right", c.lead);
  c.lead.nav.go("/watching");
  await click(g.right, "[data-tour=end]", g.stop);
  await type(await find<HTMLTextAreaElement>(g.right, "[data-tour=end-why]", g.stop), t("tour.ended.why"), g.stop, 40);
  await click(g.right, "[data-tour=end-submit]", g.stop);
  g.say(3);
  await find(g.left, "[data-ended=revoked]", g.stop);
  await wait(2500, g.stop);
}

async function emergency(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  const r = await closedOne(c.engineer);
  c.engineer.nav.go(`/recordings/${r.id}`);
  await click(g.left, "[data-tour=emergency]", g.stop);
  await type(await find<HTMLInputElement>(g.left, "[data-tour=incident]", g.stop), `INC-${Math.floor(Date.now() / 1000) % 1_000_000}`, g.stop, 30);
  await type(await find<HTMLTextAreaElement>(g.left, "[data-tour=incident-why]", g.stop), t("tour.emergency.why"), g.stop, 30);
  await click(g.left, "[data-tour=emergency-open]", g.stop);
  g.say(2);
  g.show("right", c.lead);
  c.lead.nav.go("/watching");
  await watch(g);
  await wait(5000, g.stop);
  g.say(3);
  await click(g.left, "[data-tour=give-back]", g.stop);
  await find(g.left, "[data-ended]", g.stop);
  g.say(4);
  c.lead.nav.go("/inbox");
  await type(await find<HTMLTextAreaElement>(g.right, "[data-tour=review]", g.stop), t("tour.emergency.found"), g.stop, 30);
  await click(g.right, "[data-tour=review-done]", g.stop);
  await wait(1500, g.stop);
}

/* What was hidden is seen by one decision of two people, and only under it. */
async function hidden(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  const list = await c.engineer.client.get<Page<Recording>>("/v1/recordings", { access: "none", kind: "terminal" });
  const r = list.items.find((x) => x.hidden_kept && !x.live);
  if (r === undefined) throw new Error(t("rec.empty"));
  c.engineer.nav.go(`/recordings/${r.id}`);
  await ask(g, { seconds: 60, quick: true });
  c.approver.nav.go("/inbox");
  await click(g.right, "[data-tour=approve]", g.stop);
  await watch(g);
  await wait(6000, g.stop);
  await click(g.left, "[data-tour=give-back]", g.stop);
  await find(g.left, "[data-ended]", g.stop);
  g.say(2);
  c.engineer.nav.go(`/recordings/${r.id}`);
  await click(g.left, "[data-action=unmask] input", g.stop);
  await ask(g, { seconds: 60, quick: true });
  g.say(3);
  c.approver.nav.go("/inbox");
  await find(g.right, "[data-unmask]", g.stop);
  await wait(1500, g.stop);
  await click(g.right, "[data-tour=approve]", g.stop);
  await find(g.left, "[data-agreed='1']", g.stop);
  g.show("right", c.lead);
  c.lead.nav.go("/inbox");
  await wait(1000, g.stop);
  await click(g.right, "[data-tour=approve]", g.stop);
  g.say(4);
  await watch(g);
  await find(g.left, "[data-unmasked=true]", g.stop);
  await wait(7000, g.stop);
  await click(g.left, "[data-tour=give-back]", g.stop);
  await find(g.left, "[data-ended]", g.stop);
}

/* A page records itself, and is watched while it happens. */
async function page(g: Stage, c: Cast): Promise<void> {
  g.say(1);
  const before = new Set((await c.engineer.client.get<Page<Recording>>("/v1/recordings", { kind: "rrweb" })).items.filter((r) => !r.live).map((r) => r.id));
  g.show("right", c.engineer);
  c.engineer.nav.go("/recordings");
  const visitor = await g.open();
  await visitor.ask("come");
  g.say(2);
  let r: Recording | undefined;
  for (let i = 0; r === undefined && i < 40; i++) {
    r = (await c.engineer.client.get<Page<Recording>>("/v1/recordings", { kind: "rrweb" })).items.find((x) => x.live && !before.has(x.id));
    await wait(250, g.stop);
  }
  if (r === undefined) throw new Error(t("rec.empty"));
  await click(g.right, `tr[data-recording="${r.id}"] [data-tour=recording]`, g.stop);
  g.say(3);
  await ask({ ...g, left: g.right }, { seconds: 180, quick: true });
  await wait(1500, g.stop);
  g.say(4);
  g.show("right", c.approver);
  c.approver.nav.go("/inbox");
  await click(g.right, "[data-tour=approve]", g.stop);
  await wait(1000, g.stop);
  g.say(5);
  g.show("right", c.engineer);
  await watch({ ...g, left: g.right });
  await find(g.right, "[data-live=now]", g.stop);
  await wait(1500, g.stop);
  await visitor.ask("buy");
  await wait(2500, g.stop);
  g.say(6);
  await visitor.ask("leave");
  await find(g.right, "[data-playing=false]", g.stop, 20_000);
  await wait(2500, g.stop);
}

const SCRIPTS: Record<Chapter, (g: Stage, c: Cast) => Promise<void>> = { story, two, more, along, ended, emergency, hidden, page };

export async function runChapter(chapter: Chapter, g: Stage, c: Cast): Promise<void> {
  await Promise.all([putAway(c.engineer), putAway(c.second)]);
  await SCRIPTS[chapter](g, c);
}
