/* The components. Each is plain HTML with a class of theme.css; state is the caller's. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Problem } from "../api/types";
import { clock } from "../lib/words";
import { useSession } from "../lib/session";
import { t, tOr, type TextName } from "../texts";

type Kids = { children?: ComponentChildren };

export function Link({ to, children, ...rest }: { to: string; class?: string; "data-tour"?: string; "aria-current"?: "page" } & Kids) {
  const { nav } = useSession();
  return (
    <a href={to} {...rest} onClick={(e) => {
      if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
      e.preventDefault();
      nav.go(to);
    }}>{children}</a>
  );
}

type ButtonProps = { look?: "main" | "plain" | "danger"; busy?: boolean; "data-tour"?: string } & JSX.IntrinsicElements["button"];
export function Button({ look = "plain", busy = false, children, disabled, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} class={`button ${look}`} disabled={disabled === true || busy} aria-busy={busy}>{children}</button>
  );
}

export function Field({ label, help, error, children }: { label: string; help?: string | undefined; error?: string | undefined; children: (ids: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ComponentChildren }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": `${id}-help`, "aria-invalid": error !== undefined })}
      <div id={`${id}-help`} class="help">
        {error !== undefined && <span class="error">{error}</span>}
        {help}
      </div>
    </div>
  );
}

export function Badge({ tone, children }: { tone: "closed" | "waiting" | "ready" | "open" | "ended" | "live" } & Kids) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

export function Lock({ open, label }: { open: boolean; label?: string }) {
  return (
    <svg class={`lock ${open ? "is-open" : "is-closed"}`} viewBox="0 0 24 24" width="20" height="20" role="img" aria-label={label} aria-hidden={label === undefined}>
      <path d={open ? "M8 10V7a4 4 0 0 1 7.6-1.7" : "M8 10V7a4 4 0 0 1 8 0v3"} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
      <rect x="5" y="10" width="14" height="10" rx="2" fill="currentColor" />
    </svg>
  );
}

export function Card({ title, children, tone }: { title?: string; tone?: "warm" | "good" | "bad" } & Kids) {
  const id = useId();
  return (
    <section class={`card ${tone ?? ""}`} {...(title === undefined ? {} : { "aria-labelledby": id })}>
      {title !== undefined && <h2 id={id}>{title}</h2>}
      {children}
    </section>
  );
}

export function Notice({ tone = "info", children, live = false }: { tone?: "info" | "good" | "bad"; live?: boolean } & Kids) {
  return <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : live ? "status" : undefined}>{children}</div>;
}

export function Trouble({ problem, again }: { problem: Problem | null; again?: () => void }) {
  if (problem === null) return null;
  return (
    <Notice tone="bad">
      <p>{tOr(`code.${problem.code}`, problem.code.endsWith("-unsupported") ? "code.invalid" : "code.unknown")}</p>
      {problem.trace_id !== "" && <p class="small">{t("common.reference", { id: problem.trace_id })}</p>}
      {again && <Button onClick={again}>{t("common.retry")}</Button>}
    </Notice>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.filter(([, v]) => v !== null && v !== undefined && v !== "" && v !== false).map(([k, v]) => (
        <div key={k}><dt>{k}</dt><dd>{v}</dd></div>
      ))}
    </dl>
  );
}

export function Loading() {
  return <p class="loading" role="status">{t("app.loading")}</p>;
}

export function Empty({ text }: { text: TextName }) {
  return <p class="empty">{t(text)}</p>;
}

/* A native dialog: focus is kept inside and comes back, Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void } & Kids) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const d = ref.current;
    if (d !== null && !d.open) d.showModal();
    return () => d?.close();
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); onClose(); }}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

/* What is left until `until` (server time), told anew each quarter of a second. Computed while rendering:
   an end that moved is never shown with what was left of the old one. */
export function useLeft(until: string | null | undefined): number | null {
  const { now } = useSession();
  const beat = useSignal(0);
  useEffect(() => {
    if (!until) return;
    const timer = setInterval(() => { beat.value++; }, 250);
    return () => clearInterval(timer);
  }, [until]);
  void beat.value; // what ticks is what renders again
  return until ? Math.max(0, Date.parse(until) - now()) : null;
}

export function TimeLeft({ until }: { until: string }) {
  const left = useLeft(until);
  if (left === null) return null;
  return <span class={`time-left ${left < 60_000 ? "soon" : ""}`} role="timer">{t("common.left", { time: clock(Math.ceil(left / 1000) * 1000) })}</span>;
}

export function useTitle(title: string): void {
  const { nav } = useSession();
  useEffect(() => {
    if (nav.inPage) document.title = `${title} · ${t("app.name")}`;
  }, [title]);
}

export function PageHead({ title, children }: { title: string } & Kids) {
  useTitle(title);
  const { nav } = useSession();
  const ref = useRef<HTMLHeadingElement>(null);
  // A new page is announced and reached by keyboard from its heading on.
  useEffect(() => { if (nav.inPage) ref.current?.focus({ preventScroll: true }); }, []);
  return (
    <header class="page-head">
      <h1 ref={ref} tabIndex={-1}>{title}</h1>
      {children}
    </header>
  );
}
