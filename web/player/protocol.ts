/*
 * What the app's frame and a player document say to each other by postMessage. The player document lies on an origin of its own, gets
 * content and nothing else: no key, no address, no name.
 *
 * Life: player says `ready`; app says `open` once; then blocks and commands; `end` is the last word: the player drops
 * everything it was given and shows nothing from then on.
 */
export interface Screen { cols: number; rows: number; init: string }

/* Consecutive events. `reset`: playing starts anew at `at_ms` (a seek); else they follow the last block. */
export interface Block {
  reset: boolean;
  at_ms: number; // where to play, for a reset
  to_ms: number; // buffered up to here
  last: boolean; // nothing follows
  live?: boolean; // of a recording that is being made: shown as it comes, without waiting for its time
  base_ms?: number; // live: rrweb's own time of 0, which `open` did not know before the first event
  times: number[]; // seek time of each event, ms, never falling
  events: unknown[]; // as recorded
  screen: Screen | null; // terminal: what the screen held before the first event
}

export type ToPlayer =
  | { say: "open"; kind: "rrweb" | "terminal"; duration_ms: number; base_ms: number; cols: number; rows: number; theme: unknown; speed: number; skip_idle: boolean }
  | ({ say: "block" } & Block)
  | { say: "play" }
  | { say: "pause" }
  | { say: "speed"; speed: number }
  | { say: "skip-idle"; on: boolean }
  | { say: "step"; by: 1 | -1 }
  | { say: "end" };

export type FromPlayer =
  | { say: "ready" }
  | { say: "at"; at_ms: number; playing: boolean; stalled: boolean; finished: boolean }
  | { say: "pressed"; key: string; shift: boolean } // a shortcut, pressed while the player had the focus
  | { say: "clicked" }
  | { say: "title"; title: string } // terminal: plain text
  | { say: "broken"; what: string };

export const SHORTCUTS = new Set([" ", "k", "f", "i", "l", "m", "?", "[", "]", ",", ".", "<", ">", "ArrowLeft", "ArrowRight", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
