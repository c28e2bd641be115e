/* /dom: recorded pages, by rrweb's Replayer. Only cleaned events reach it; its frame has no scripts and no network. */
import "@rrweb/replay/dist/style.css";
import "./base.css";
import { Replayer } from "@rrweb/replay";
import { unpack } from "@rrweb/packer";
import { Canvases } from "./canvas";
import { createCleaner } from "./clean";
import { connect } from "./frame";
import type { Block, ToPlayer } from "./protocol";
import { tameUses } from "./uses";

const TICK_MS = 100;
const IDLE_MS = 2000; // gaps longer than this are skipped, when asked to
const IDLE_LEAD_MS = 400;

type ReplayPlugin = NonNullable<NonNullable<ConstructorParameters<typeof Replayer>[1]>["plugins"]>[number];
type Recorded = ConstructorParameters<typeof Replayer>[0][number];

const stage = document.createElement("div");
stage.id = "stage";
document.body.append(stage);

let replayer: Replayer | null = null;
let base_ms = 0;
let first_ms = 0; // seek time of the replayer's first event
let times: number[] = []; // of all events it has
let to_ms = 0;
let last = true;
let duration_ms = 0;
let playing = false;
let finished = false;
let speed = 1;
let skipIdle = false;
let at = 0;
let size = { width: 0, height: 0 };
let ended = false;
let clean = createCleaner(takePicture);

const tell = connect((m) => {
  try {
    hear(m);
  } catch (e) {
    tell({ say: "broken", what: e instanceof Error ? e.message.slice(0, 200) : "error" });
  }
});

function fit(): void {
  const wrapper = stage.querySelector<HTMLElement>(".replayer-wrapper");
  if (wrapper === null || size.width === 0) return;
  const k = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height);
  wrapper.style.transform = `translate(${Math.max(0, (stage.clientWidth - size.width * k) / 2)}px, ${Math.max(0, (stage.clientHeight - size.height * k) / 2)}px) scale(${k})`;
}
addEventListener("resize", fit);

/* A canvas's picture is ours to paint (canvas.ts): rrweb, which would unpack it into the element whatever its size, does not see it. */
interface Painted { attributes?: Record<string, unknown>; picture?: unknown }
function takePicture(n: Painted): void {
  if (n.attributes === undefined || !Object.hasOwn(n.attributes, "rr_dataURL")) return;
  n.picture = n.attributes["rr_dataURL"];
  delete n.attributes["rr_dataURL"];
}

/* Packed events are unpacked; times become the seek times, which never fall (some recordings' clocks do). */
function prepare(raw: unknown, time: number): Recorded {
  const open: unknown = typeof raw === "string" ? unpack(raw) : raw;
  return { ...clean(open), timestamp: base_ms + time } as unknown as Recorded;
}

/* Canvases are painted out here; what a page would multiply is looked at after each change. */
let canvases = new Canvases();

function settle(): void {
  const doc = replayer?.iframe.contentDocument;
  const mirror = replayer?.getMirror();
  if (!doc || !mirror) return;
  tameUses(doc);
  canvases.settle((id) => mirror.getNode(id));
}

interface Change { type: number; data?: { source?: unknown; attributes?: { id: number }[] } }

function played(e: Change, isSync: boolean): void {
  if (e.type === 3 && e.data?.source === 9) canvases.paint(e.data);
  if (isSync || (e.type !== 2 && !(e.type === 3 && (e.data?.source === 0 || e.data?.source === 9)))) return; // after many at once comes "flush"
  settle();
  for (const a of e.data?.source === 0 ? (e.data.attributes ?? []) : []) canvases.again(a.id);
}

const plugin = {
  handler: (e: unknown, isSync: boolean) => played(e as Change, isSync),
  onBuild: (node: Node, { id, replayer: r }: { id: number; replayer: Replayer }) => {
    if (node.nodeName === "CANVAS") canvases.built(node as HTMLElement, id, (r.getMirror().getMeta(node) as unknown as Painted | null)?.picture);
  },
};

function drop(): void {
  replayer?.destroy();
  replayer = null;
  canvases.drop();
  canvases = new Canvases();
  stage.replaceChildren();
  times = [];
}

function build(b: Block): void {
  drop();
  clean = createCleaner(takePicture);
  const events = b.events.map((e, i) => prepare(e, b.times[i] ?? 0));
  first_ms = b.times[0] ?? 0;
  // The Replayer wants two events at least.
  while (events.length < 2) events.push({ type: 5, data: { tag: "keyhole/pad", payload: {} }, timestamp: base_ms + first_ms } as unknown as Recorded);
  times = b.times.slice();
  replayer = new Replayer(events, { root: stage, speed, showWarning: false, showDebug: false, mouseTail: false, triggerFocus: false, skipInactive: false, UNSAFE_replayCanvas: false, plugins: [plugin as unknown as ReplayPlugin] });
  replayer.iframe.tabIndex = -1; // its links and fields are not for the keyboard
  replayer.on("flush", settle);
  replayer.on("fullsnapshot-rebuilded", settle);
  replayer.on("resize", (d) => {
    size = d as { width: number; height: number };
    fit();
  });
  replayer.on("finish", tick);
  at = b.at_ms;
  finished = false;
  run();
}

function run(): void {
  if (replayer === null) return;
  const offset = Math.max(0, at - first_ms);
  // An event at exactly this time has happened: pausing one millisecond later shows it.
  if (playing) replayer.play(offset);
  else replayer.pause(offset + 1);
  fit();
}

function position(): number {
  if (replayer === null || !playing || finished) return at;
  return Math.min(duration_ms, Math.max(at, first_ms + replayer.getCurrentTime()));
}

function nextTime(after: number): number | undefined {
  let lo = 0;
  let hi = times.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((times[mid] ?? 0) <= after) lo = mid + 1;
    else hi = mid;
  }
  return times[lo];
}

let stalled = false;
function tick(): void {
  if (replayer === null || ended) return;
  if (playing && !finished && !stalled) {
    at = position();
    const next = nextTime(at);
    if (last && (at >= duration_ms || next === undefined)) {
      finished = true;
      playing = false;
      at = duration_ms;
      replayer.pause();
    } else if (!last && (at >= to_ms || next === undefined)) {
      stalled = true; // what comes next is not here yet
      replayer.pause();
    } else if (skipIdle && next !== undefined && next - at > IDLE_MS) {
      at = next - IDLE_LEAD_MS;
      run();
    }
  }
  tell({ say: "at", at_ms: Math.round(at), playing, stalled, finished });
}
setInterval(tick, TICK_MS);

function hear(m: ToPlayer): void {
  if (ended) return;
  switch (m.say) {
    case "open":
      base_ms = m.base_ms || 1; // rrweb takes a time of 0 for none
      duration_ms = m.duration_ms;
      speed = m.speed;
      skipIdle = m.skip_idle;
      break;
    case "block":
      to_ms = m.to_ms;
      last = m.last;
      duration_ms = Math.max(duration_ms, to_ms);
      if (m.base_ms !== undefined && m.base_ms > 0) base_ms = m.base_ms;
      if (m.reset || replayer === null) {
        stalled = false;
        build(m);
        break;
      }
      m.events.forEach((e, i) => {
        const time = m.times[i] ?? 0;
        times.push(time);
        replayer?.addEvent(prepare(e, time));
      });
      if (m.live) {
        at = to_ms;
        playing = false;
        finished = false;
        setTimeout(run, 0); // shown as it is at the newest event
      } else if (stalled) {
        stalled = false;
        setTimeout(run, 0); // addEvent works in a microtask
      }
      break;
    case "play":
      if (finished) break;
      playing = true;
      if (!stalled) run();
      break;
    case "pause":
      at = position();
      playing = false;
      replayer?.pause();
      break;
    case "speed":
      at = position();
      speed = m.speed;
      replayer?.setConfig({ speed });
      if (playing && !stalled) run();
      break;
    case "skip-idle":
      skipIdle = m.on;
      break;
    case "step": {
      if (playing) break;
      const next = m.by === 1 ? nextTime(at) : [...times].reverse().find((x) => x < at);
      if (next !== undefined) {
        at = next;
        finished = false;
        run();
      }
      break;
    }
    case "end":
      ended = true;
      drop();
      break;
  }
}
