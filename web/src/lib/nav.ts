/* Where one is. The app's follows the address bar; the tour has two of its own in memory. */
import { signal, type ReadonlySignal } from "@preact/signals";

export interface Nav {
  path: ReadonlySignal<string>; // with its query: "/recordings?q=x"
  go(path: string, replace?: boolean): void;
  inPage: boolean; // false: lives in the tour, the address bar stays
}

export function browserNav(): Nav {
  const here = () => location.pathname + location.search;
  const path = signal(here());
  addEventListener("popstate", () => { path.value = here(); });
  return {
    path,
    inPage: true,
    go(to, replace = false) {
      if (to === path.value) return;
      if (replace) history.replaceState(null, "", to);
      else history.pushState(null, "", to);
      path.value = to;
      if (!replace) scrollTo(0, 0);
    },
  };
}

export function memoryNav(start: string): Nav {
  const path = signal(start);
  return { path, inPage: false, go(to) { path.value = to; } };
}

/* "/recordings/{rid}" against a path without query: its values, or null. Pure. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return null;
  const out: Record<string, string> = {};
  for (let i = 0; i < want.length; i++) {
    const w = want[i] ?? "";
    const h = have[i] ?? "";
    if (w.startsWith("{")) {
      if (h === "") return null;
      try {
        out[w.slice(1, -1)] = decodeURIComponent(h);
      } catch {
        return null;
      }
    } else if (w !== h) return null;
  }
  return out;
}

export function splitPath(path: string): { path: string; query: URLSearchParams } {
  const i = path.indexOf("?");
  return i < 0 ? { path, query: new URLSearchParams() } : { path: path.slice(0, i), query: new URLSearchParams(path.slice(i + 1)) };
}
