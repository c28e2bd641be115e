/* What a page may say, its defaults, and the form of a <script> element's data-… attributes. */

export type Mode = "always" | "sampled" | "on-error";
export type ConsoleLevel = "debug" | "info" | "log" | "warn" | "error";

export interface Notice {
  /** dropped: events that will never arrive; waiting: the server does not answer; refused: it will not take this; failed: a fault of ours. */
  type: "dropped" | "waiting" | "refused" | "failed";
  detail: string;
  /** of dropped: how many events */
  events?: number;
}

export interface Options {
  /** Address of the Keyhole server: "https://rec.example.org". */
  server: string;
  /** A public token: `keyhole token add --project P --ingest --browser`. */
  token: string;
  /** always; sampled: a share of the sessions (`sample`); on-error: nothing is sent before an error, then the last minute and what follows. */
  mode?: Mode;
  /** Of `sampled`: 0 to 1. */
  sample?: number;
  /** Metadata, which lists show without access. Nothing is taken from the page but its host name as the title. */
  title?: string;
  subject?: string;
  env?: string;
  class?: string;
  tags?: Record<string, string>;
  links?: { type: string; id: string }[];
  /** "required": nothing is recorded, stored or sent before `consent(true)`. */
  consent?: "required" | "given";
  /** Global Privacy Control: respected unless "ignore". */
  gpc?: "respect" | "ignore";
  /** Elements whose text, attributes and inputs are recorded as they are. Passwords never are. */
  unmask?: string;
  /** Elements that become an empty box of their size. */
  block?: string;
  /** More attributes that are recorded as they are (data-state and its like are, data-… are not). */
  keepAttributes?: string[];
  /** Last word on an address (of pages, links, requests), after values of the query were masked. */
  maskUrl?: (url: string) => string;
  /** A full snapshot at least so often while something happens; 300 000 unless said, 30 000 in on-error. */
  checkoutEveryNms?: number;
  /** Console: errors and warnings unless said. */
  console?: boolean | ConsoleLevel[];
  /** fetch and XMLHttpRequest: method, address without values, status, time. Never bodies or headers. */
  network?: boolean;
  /** What may wait while the server cannot be reached. 8 MiB unless said. */
  bufferBytes?: number;
  /** A session goes on over the pages of one tab until it was idle for so long (30 min) or is so old (4 h). */
  idleMs?: number;
  sessionMs?: number;
  onNotice?: (notice: Notice) => void;
}

export interface Settings extends Required<Omit<Options, "title" | "subject" | "env" | "class" | "maskUrl" | "onNotice" | "console" | "unmask" | "block">> {
  title: string;
  subject?: string;
  env?: string;
  class?: string;
  unmask: string;
  block: string;
  maskUrl?: (url: string) => string;
  onNotice?: (notice: Notice) => void;
  console: ConsoleLevel[];
}

const LEVELS: ConsoleLevel[] = ["debug", "info", "log", "warn", "error"];

/** Throws when server or token cannot be right: a mistake of the page's author, who should see it. */
export function settle(o: Options, host: string): Settings {
  const server = new URL(o.server).origin;
  if (!/^kib_[A-Za-z0-9]{43}$/.test(o.token))
    throw new Error("keyhole: a page needs a public token (keyhole token add --project P --ingest --browser)");
  const mode = o.mode ?? "always";
  if (!["always", "sampled", "on-error"].includes(mode)) throw new Error("keyhole: mode is always, sampled or on-error");
  return {
    server, token: o.token, mode,
    sample: Math.min(1, Math.max(0, Number(o.sample ?? 1) || 0)),
    title: (o.title ?? host).slice(0, 200),
    subject: o.subject, env: o.env, class: o.class, tags: o.tags ?? {}, links: o.links ?? [],
    consent: o.consent ?? "given", gpc: o.gpc ?? "respect",
    unmask: o.unmask ?? "", block: o.block ?? "", keepAttributes: o.keepAttributes ?? [], maskUrl: o.maskUrl,
    checkoutEveryNms: Math.max(5000, o.checkoutEveryNms ?? (mode === "on-error" ? 30_000 : 300_000)),
    console: o.console === true ? LEVELS : o.console === false ? [] : (o.console ?? ["warn", "error"]),
    network: o.network ?? true,
    bufferBytes: Math.max(64 << 10, o.bufferBytes ?? 8 << 20),
    idleMs: o.idleMs ?? 30 * 60_000, sessionMs: o.sessionMs ?? 4 * 3_600_000,
    onNotice: o.onNotice,
  };
}

/** <script src="https://rec.example.org/recorder.js" data-token="kib_…" data-mode="sampled" data-sample="0.1" …> */
export function fromElement(src: string, data: Record<string, string | undefined>): Options {
  const list = (v: string | undefined) => v?.split(/[\s,]+/).filter(Boolean);
  const number = (v: string | undefined) => (v === undefined || v === "" ? undefined : Number(v));
  const levels = list(data.console);
  const pairs = Object.fromEntries((list(data.tags) ?? []).map((p) => [p.replace(/=.*/s, ""), p.includes("=") ? p.replace(/^[^=]*=/, "") : ""]));
  return {
    server: data.server ?? new URL(src).origin, token: data.token ?? "",
    mode: data.mode as Mode | undefined, sample: number(data.sample),
    title: data.title, subject: data.subject, env: data.env, class: data.class, tags: pairs,
    consent: data.consent === "required" ? "required" : undefined, gpc: data.gpc === "ignore" ? "ignore" : undefined,
    unmask: data.unmask, block: data.block, keepAttributes: list(data.keepAttributes),
    checkoutEveryNms: number(data.checkout), bufferBytes: number(data.buffer),
    console: levels === undefined ? undefined : levels[0] === "off" ? false : levels[0] === "all" ? true : (levels as ConsoleLevel[]),
    network: data.network === "off" ? false : undefined,
  };
}
