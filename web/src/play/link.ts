/* The app's end of the player protocol: one frame, one origin, checked both ways. */
import type { FromPlayer, ToPlayer } from "../../player/protocol";

export interface FrameLink {
  send(m: ToPlayer): void;
  close(): void;
}

export function connectFrame(frame: HTMLIFrameElement, origin: string, hear: (m: FromPlayer) => void): FrameLink {
  function onMessage(e: MessageEvent<unknown>): void {
    if (e.origin !== origin || e.source !== frame.contentWindow || typeof e.data !== "object" || e.data === null) return;
    hear(e.data as FromPlayer);
  }
  addEventListener("message", onMessage);
  return {
    send: (m) => frame.contentWindow?.postMessage(m, origin),
    close: () => removeEventListener("message", onMessage),
  };
}
