/* Loads something, and again whenever the feed says that it may have changed. */
import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Page, Problem } from "../api/types";
import { problemFrom } from "./http";
import type { Heard } from "./live";
import { useSession } from "./session";

export interface Loaded<T> {
  data: Signal<T | undefined>;
  trouble: Signal<Problem | null>;
  again(): void;
}

const SETTLE_MS = 60; // several changes of one transaction are one load
const RETRY_MS = 3000;

export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, deps: unknown[], concerns: (c: Heard) => boolean = () => true): Loaded<T> {
  const { live } = useSession();
  const data = useSignal<T | undefined>(undefined);
  const trouble = useSignal<Problem | null>(null);
  const again = useRef<() => void>(() => {});

  useEffect(() => {
    let abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;

    function run(): void {
      abort.abort();
      const own = (abort = new AbortController());
      load(own.signal).then(
        (d) => {
          if (own.signal.aborted) return;
          data.value = d;
          trouble.value = null;
        },
        (e: unknown) => {
          if (own.signal.aborted) return;
          trouble.value = problemFrom(e);
          if (trouble.value.retryable && !gone) timer = setTimeout(run, RETRY_MS);
        });
    }
    function soon(): void {
      clearTimeout(timer);
      timer = setTimeout(run, SETTLE_MS);
    }
    again.current = run;
    run();
    const stop = live.on((c) => {
      if (c.type === "reset" || concerns(c)) soon();
    });
    return () => {
      gone = true;
      stop();
      clearTimeout(timer);
      abort.abort();
    };
  }, deps);

  return { data, trouble, again: () => again.current() };
}

/* A search may end a page before it has found anything: its cursor goes on. */
const EMPTY_PAGES = 20;

async function found<T>(ask: (cursor?: string) => Promise<Page<T>>, cursor?: string): Promise<Page<T>> {
  let page = await ask(cursor);
  for (let n = 0; n < EMPTY_PAGES && page.items.length === 0 && page.cursor; n++) page = await ask(page.cursor);
  return page;
}

/* A list whose further pages are added below. */
export interface List<T> extends Loaded<Page<T>> {
  more(): Promise<void>;
}

export function useList<T>(path: string, query: Record<string, string | number | undefined>, concerns?: (c: Heard) => boolean): List<T> {
  const { client } = useSession();
  const l = useLoad<Page<T>>((signal) => found((cursor) => client.get<Page<T>>(path, cursor ? { ...query, cursor } : query, signal)), [path, JSON.stringify(query)], concerns);
  return {
    ...l,
    async more() {
      const have = l.data.value;
      if (!have?.cursor) return;
      const next = await found((cursor) => client.get<Page<T>>(path, { ...query, cursor }), have.cursor);
      l.data.value = { ...next, items: [...have.items, ...next.items] };
    },
  };
}
