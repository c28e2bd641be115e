/* The form that asks for access. What will be needed comes from /v1/requests/check, before anything is asked. */
import { computed, signal } from "@preact/signals";
import type { Action, Check, Problem, Recording, Request, RequestIn, Terms } from "../../api/types";
import { ApiError, problemFrom } from "../../lib/http";
import type { Session } from "../../lib/session";
import { reasonLength } from "../../lib/words";

export type Unit = "s" | "min" | "h";
export const unitSeconds: Record<Unit, number> = { s: 1, min: 60, h: 3600 };

/* 1800 -> 30 min; the largest unit that divides it. */
export function asUnit(seconds: number): { n: number; unit: Unit } {
  if (seconds >= 3600 && seconds % 3600 === 0) return { n: seconds / 3600, unit: "h" };
  if (seconds >= 60 && seconds % 60 === 0) return { n: seconds / 60, unit: "min" };
  return { n: seconds, unit: "s" };
}

/* What one asked for last time, so that asking again is one click. */
export interface Before {
  purpose?: string;
  reason?: string;
  ticket?: string;
  duration_s?: number;
}

const CHECK_MS = 150;

export function createAsk(s: Session, recording: Recording, before: Before) {
  const actions = signal<Action[]>(recording.live ? ["play", "live"] : ["play"]);
  const purpose = signal(before.purpose ?? "");
  const reason = signal(before.reason ?? "");
  const ticket = signal(before.ticket ?? "");
  const n = signal(0);
  const unit = signal<Unit>("min");
  const start = signal<"first-use" | "approval" | "time">("first-use");
  const startAt = signal(""); // of a datetime-local field
  const viewers = signal(""); // names of who else will watch
  const moreSame = signal<"" | "session" | "subject" | "link">("");
  const moreMax = signal(1);
  const timeTimes = signal(0);
  const timeEach = signal(0); // minutes
  const check = signal<Check | null>(null);
  const trouble = signal<Problem | null>(null);
  const busy = signal(false);
  const tried = signal(false); // errors of empty fields show after the first attempt
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  let touched = before.duration_s !== undefined;

  const terms = computed<Terms | null>(() => {
    const c = check.value;
    return c === null ? null : (c.purposes.find((p) => p.purpose === purpose.value) ?? c.terms ?? c.purposes[0] ?? null);
  });
  const duration_s = computed(() => Math.round(n.value * unitSeconds[unit.value]));

  function setDuration(seconds: number): void {
    const u = asUnit(seconds);
    n.value = u.n;
    unit.value = u.unit;
  }
  if (before.duration_s !== undefined) setDuration(before.duration_s);

  function settle(): void {
    const now = terms.value;
    if (now === null) return;
    if (purpose.value === "" || !check.value?.purposes.some((p) => p.purpose === purpose.value)) purpose.value = now.purpose;
    if (!touched) setDuration(now.default_s);
    if (moreSame.value !== "" && !now.more?.same.includes(moreSame.value)) moreSame.value = "";
    if (!now.more_time) timeTimes.value = 0;
    else if (timeEach.value === 0) timeEach.value = Math.floor(now.more_time.each_s / 60);
    if (!now.start.includes(start.value)) start.value = now.start.includes("first-use") ? "first-use" : "approval";
  }

  async function runCheck(): Promise<void> {
    const turn = ++asked;
    try {
      const c = await s.client.send<Check>("POST", "/v1/requests/check", {
        recordings: [recording.id], actions: actions.value,
        ...(purpose.value === "" ? {} : { purpose: { code: purpose.value } }),
        ...(duration_s.value > 0 ? { duration_s: duration_s.value } : {}),
      });
      if (turn !== asked) return;
      check.value = c;
      trouble.value = null;
      settle();
    } catch (e) {
      if (turn === asked) trouble.value = problemFrom(e);
    }
  }
  function soon(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void runCheck(), CHECK_MS);
  }

  /* Errors by field name, from the terms that are known; the server has the last word. */
  const errors = computed<Record<string, { code: string; limit?: number }>>(() => {
    const out: Record<string, { code: string; limit?: number }> = {};
    const now = terms.value;
    if (now === null) return out;
    if (reasonLength(reason.value) < now.reason_min) out["reason"] = { code: "too-short", limit: now.reason_min };
    if (now.ticket === "required" && ticket.value.trim() === "") out["ticket"] = { code: "missing" };
    if (!(duration_s.value >= 1)) out["duration_s"] = { code: "too-small", limit: 1 };
    else if (duration_s.value > now.max_s) out["duration_s"] = { code: "too-large", limit: now.max_s };
    if (start.value === "time" && startAt.value === "") out["start"] = { code: "missing" };
    else if (start.value === "time" && Date.parse(startAt.value) < s.now()) out["start"] = { code: "in-the-past" };
    if (others().length + 1 > (now.viewers ?? 1)) out["viewers"] = { code: "too-many", limit: (now.viewers ?? 1) - 1 };
    return out;
  });
  const others = () => viewers.value.split(/[,\s]+/).filter((x) => x !== "");
  function beforehand(): Partial<RequestIn> {
    const now = terms.value;
    return {
      ...(others().length > 0 ? { viewers: others() } : {}),
      ...(moreSame.value !== "" && now?.more ? { more: { same: moreSame.value, max: Math.min(moreMax.value, now.more.max) } } : {}),
      ...(timeTimes.value > 0 && now?.more_time ? { more_time: { times: Math.min(timeTimes.value, now.more_time.times), each_s: Math.min(timeEach.value * 60, now.more_time.each_s) } } : {}),
    };
  }

  return {
    actions, purpose, reason, ticket, n, unit, start, startAt, viewers, moreSame, moreMax, timeTimes, timeEach, check, terms, trouble, busy, tried, errors, duration_s,
    runCheck,
    setPurpose(code: string) { purpose.value = code; settle(); soon(); },
    setActions(list: Action[]) { actions.value = list; soon(); },
    touchDuration() { touched = true; soon(); },
    stop() { clearTimeout(timer); asked++; },
    async submit(): Promise<Request | null> {
      tried.value = true;
      if (Object.keys(errors.value).length > 0) return null;
      const body: RequestIn = {
        recordings: [recording.id], actions: actions.value, duration_s: duration_s.value, start: start.value === "time" ? new Date(startAt.value).toISOString() : start.value, ...beforehand(),
        purpose: { code: purpose.value, reason: reason.value.trim(), ...(ticket.value.trim() === "" ? {} : { ticket: ticket.value.trim() }) },
      };
      busy.value = true;
      try {
        return await s.client.send<Request>("POST", "/v1/requests", body);
      } catch (e) {
        trouble.value = problemFrom(e);
        if (e instanceof ApiError && e.problem.code !== "request-open") void runCheck();
        return null;
      } finally {
        busy.value = false;
      }
    },
  };
}

export type Ask = ReturnType<typeof createAsk>;
