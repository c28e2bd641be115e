/*
 * The story that runs by itself: two people in two views of the real app, each with a sign-in of their own, driven through what is on the
 * page as a person would: nothing here calls the server but the two sign-ins.
 */
import type { Demo, Page, Recording } from "../../api/types";
import { memoryNav } from "../../lib/nav";
import { createSession, tokenFor, type Session } from "../../lib/session";
import { t } from "../../texts";

export const STEPS = 9;
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

export interface Sides { left: HTMLElement; right: HTMLElement }
export interface Cast { engineer: Session; approver: Session; auditor: Session | null }

export async function runStory(sides: Sides, cast: Cast, onStep: (n: number) => void, showRight: (s: Session) => void, stop: AbortSignal): Promise<void> {
  const { left, right } = sides;
  onStep(1);
  // A closed one: an earlier round may have left another open.
  const list = await cast.engineer.client.get<Page<Recording>>("/v1/recordings", { access: "none" });
  const r = list.items.find((x) => x.kind === "rrweb" && x.links.some((l) => l.type === "error")) ?? list.items.find((x) => x.kind === "rrweb") ?? list.items[0];
  if (r === undefined) throw new Error(t("rec.empty"));
  await click(left, `tr[data-recording="${r.id}"] [data-tour=recording]`, stop);
  await wait(1800, stop);

  onStep(2);
  const reason = await find<HTMLTextAreaElement>(left, "[data-tour=reason]", stop);
  await type(reason, t("tour.reason"), stop, 45);
  const duration = await find<HTMLInputElement>(left, "[data-tour=duration]", stop);
  choose(await find<HTMLSelectElement>(left, "[data-tour=unit]", stop), "s");
  await type(duration, String(WINDOW_S), stop, 60);
  await click(left, "[data-tour=ask]", stop);

  onStep(3);
  cast.approver.nav.go("/inbox");
  await find(right, "[data-tour=approve]", stop);
  await wait(1500, stop);

  onStep(4);
  await wait(1500, stop);
  await click(right, "[data-tour=approve]", stop);

  onStep(5);
  await find(left, "[data-tour=watch]", stop);
  await wait(1200, stop);
  await click(left, "[data-tour=watch]", stop);
  await find(left, ".stage iframe", stop);

  onStep(6);
  cast.approver.nav.go("/watching");
  await find(left, "[data-ended]", stop, (WINDOW_S + 10) * 1000);

  onStep(7);
  await wait(3000, stop);

  onStep(8);
  if (cast.auditor !== null) {
    showRight(cast.auditor);
    cast.auditor.nav.go(`/audit?log=${r.project}`);
    await find(right, "table.audit tbody tr", stop);
  }
}
