/* The player's end of the protocol. Origin and source are checked both ways; nothing is sent before the app has spoken. */
import { SHORTCUTS, type FromPlayer, type ToPlayer } from "./protocol";

export type Tell = (m: FromPlayer) => void;

function appOrigin(): string | null {
  const above = location.ancestorOrigins; // not in every browser; frame-ancestors holds in all
  return above?.length ? (above[0] ?? null) : null;
}

export function connect(hear: (m: ToPlayer) => void): Tell {
  let origin = appOrigin();
  const tell: Tell = (m) => {
    if (origin !== null) parent.postMessage(m, origin);
  };

  addEventListener("message", (e: MessageEvent<unknown>) => {
    if (e.source !== parent || parent === window) return;
    if (origin === null) origin = e.origin;
    if (e.origin !== origin || typeof e.data !== "object" || e.data === null) return;
    hear(e.data as ToPlayer);
  });
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !SHORTCUTS.has(e.key)) return;
    e.preventDefault();
    e.stopPropagation();
    tell({ say: "pressed", key: e.key, shift: e.shiftKey });
  }, true);
  addEventListener("click", (e) => {
    e.preventDefault();
    e.stopPropagation();
    tell({ say: "clicked" });
  }, true);
  if (origin !== null) tell({ say: "ready" });
  else if (parent !== window) parent.postMessage({ say: "ready" } satisfies FromPlayer, "*"); // carries nothing
  return tell;
}
