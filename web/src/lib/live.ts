/* The feed of changes (/v1/events): ids and states. Pages ask again for what changed. */
import { signal, type Signal } from "@preact/signals";
import type { Change } from "../api/types";
import { ApiError, type Client } from "./http";
import { readSse } from "./sse";

/* `reset`: what happened in between is not known; load anew. */
export type Heard = Change | { type: "reset" };

export interface Live {
  connected: Signal<boolean>;
  on(hear: (c: Heard) => void): () => void; // returns: stop hearing
  start(): Promise<void>; // resolves when it hears, or soon without: what is loaded before would miss what happens in between
  stop(): void;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;
const FIRST_MS = 600;

export function createLive(client: Client): Live {
  const ears = new Set<(c: Heard) => void>();
  const connected = signal(true);
  let abort: AbortController | null = null;
  let lastId: string | null = null;
  let opened = (): void => {};
  let missed = false; // somebody did not wait

  function tell(c: Heard): void {
    for (const hear of [...ears]) hear(c);
  }

  async function once(signal: AbortSignal): Promise<number> {
    let wait = RETRY_MIN_MS;
    const r = await client.open("/v1/events", lastId === null ? { Accept: "text/event-stream" } : { Accept: "text/event-stream", "Last-Event-ID": lastId }, signal);
    opened();
    if ((!connected.value || missed) && lastId === null) tell({ type: "reset" });
    connected.value = true;
    missed = false;
    await readSse(r, (e) => {
      if (e.id !== null) lastId = e.id;
      if (e.event === "reset") tell({ type: "reset" });
      else if (e.event === "bye") wait = 1000 * Number((JSON.parse(e.data) as { retry_after_s?: number }).retry_after_s ?? 0) + RETRY_MIN_MS;
      else if (e.event === "message") tell(JSON.parse(e.data) as Change);
    });
    return wait;
  }

  async function run(own: AbortController): Promise<void> {
    let wait = RETRY_MIN_MS;
    while (!own.signal.aborted) {
      try {
        wait = await once(own.signal);
      } catch (e) {
        if (own.signal.aborted) return;
        opened();
        if (e instanceof ApiError && e.problem.code === "login-needed") return;
        wait = Math.min(RETRY_MAX_MS, wait * 2);
        connected.value = false;
      }
      await new Promise((r) => setTimeout(r, wait * (0.75 + Math.random() / 2)));
    }
  }

  return {
    connected,
    on(hear) {
      ears.add(hear);
      return () => ears.delete(hear);
    },
    start() {
      if (abort !== null) return Promise.resolve();
      const own = (abort = new AbortController());
      return new Promise<void>((ok) => {
        const late = setTimeout(() => { missed = true; ok(); }, FIRST_MS);
        opened = () => {
          clearTimeout(late);
          ok();
        };
        void run(own);
      });
    },
    stop() {
      abort?.abort();
      abort = null;
    },
  };
}
