/*
 * Canvases of recorded pages. The frame that holds a recorded page runs no script, and there a browser does not draw a canvas at all. So each has a
 * canvas of ours, outside: recorded pictures and a list of harmless commands are painted on it, and the recorded element shows the result
 * as its content. Nothing that a recording says is called by its own name; nothing is fetched: pictures are bytes of the recording.
 *
 * What a recording can make of them is bounded: how many there are, how many pixels all have together (one that finds no room shows that it is
 * not shown), how large a picture may be before it is unpacked, how much waits, and how long one turn may paint and show.
 */
import { pictureSize } from "./picture";

export const CANVASES_MAX = 64;
export const PIXELS_MAX = 24 << 20; // of all canvases together: 96 MiB
const SIDE_MAX = 4096;
const PICTURE_PIXELS_MAX = 24 << 20;
const TEXT_MAX = 2000;
const QUEUE_MAX = 10_000; // commands of one canvas
const PATH_MAX = 20_000; // pieces of one path
const SAVED_MAX = 64;
const SHOW_MS = 60;
const TURN_MS = 12;

const NOT_SHOWN = `url("data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" width="300" height="150"><rect width="300" height="150" fill="#8883"/><path d="M0 0 300 150M300 0 0 150" stroke="#888"/></svg>')}")`;

type Draw = (c: CanvasRenderingContext2D, a: number[]) => void;

const finite = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const n = (a: number[], i: number): number => a[i] ?? 0;

/* Commands of numbers only: how many they need at least. */
const NUMBERS: Record<string, [number, Draw]> = {
  clearRect: [4, (c, a) => c.clearRect(n(a, 0), n(a, 1), n(a, 2), n(a, 3))],
  fillRect: [4, (c, a) => c.fillRect(n(a, 0), n(a, 1), n(a, 2), n(a, 3))],
  strokeRect: [4, (c, a) => c.strokeRect(n(a, 0), n(a, 1), n(a, 2), n(a, 3))],
  rect: [4, (c, a) => c.rect(n(a, 0), n(a, 1), n(a, 2), n(a, 3))],
  beginPath: [0, (c) => c.beginPath()],
  closePath: [0, (c) => c.closePath()],
  moveTo: [2, (c, a) => c.moveTo(n(a, 0), n(a, 1))],
  lineTo: [2, (c, a) => c.lineTo(n(a, 0), n(a, 1))],
  quadraticCurveTo: [4, (c, a) => c.quadraticCurveTo(n(a, 0), n(a, 1), n(a, 2), n(a, 3))],
  bezierCurveTo: [6, (c, a) => c.bezierCurveTo(n(a, 0), n(a, 1), n(a, 2), n(a, 3), n(a, 4), n(a, 5))],
  arc: [5, (c, a) => c.arc(n(a, 0), n(a, 1), Math.abs(n(a, 2)), n(a, 3), n(a, 4), n(a, 5) === 1)],
  arcTo: [5, (c, a) => c.arcTo(n(a, 0), n(a, 1), n(a, 2), n(a, 3), Math.abs(n(a, 4)))],
  ellipse: [7, (c, a) => c.ellipse(n(a, 0), n(a, 1), Math.abs(n(a, 2)), Math.abs(n(a, 3)), n(a, 4), n(a, 5), n(a, 6), n(a, 7) === 1)],
  fill: [0, (c) => c.fill()],
  stroke: [0, (c) => c.stroke()],
  clip: [0, (c) => c.clip()],
  save: [0, (c) => c.save()],
  restore: [0, (c) => c.restore()],
  translate: [2, (c, a) => c.translate(n(a, 0), n(a, 1))],
  rotate: [1, (c, a) => c.rotate(n(a, 0))],
  scale: [2, (c, a) => c.scale(n(a, 0), n(a, 1))],
  transform: [6, (c, a) => c.transform(n(a, 0), n(a, 1), n(a, 2), n(a, 3), n(a, 4), n(a, 5))],
  setTransform: [6, (c, a) => c.setTransform(n(a, 0), n(a, 1), n(a, 2), n(a, 3), n(a, 4), n(a, 5))],
  resetTransform: [0, (c) => c.resetTransform()],
};

/* Values that may be set, and of which kind. */
const SETTERS: Record<string, (c: CanvasRenderingContext2D, v: string | number) => void> = {
  fillStyle: (c, v) => { if (typeof v === "string") c.fillStyle = v; },
  strokeStyle: (c, v) => { if (typeof v === "string") c.strokeStyle = v; },
  lineWidth: (c, v) => { if (finite(v)) c.lineWidth = v; },
  lineCap: (c, v) => { c.lineCap = String(v) as CanvasLineCap; },
  lineJoin: (c, v) => { c.lineJoin = String(v) as CanvasLineJoin; },
  miterLimit: (c, v) => { if (finite(v)) c.miterLimit = v; },
  globalAlpha: (c, v) => { if (finite(v)) c.globalAlpha = v; },
  globalCompositeOperation: (c, v) => { c.globalCompositeOperation = String(v) as GlobalCompositeOperation; },
  font: (c, v) => { if (typeof v === "string") c.font = v; },
  textAlign: (c, v) => { c.textAlign = String(v) as CanvasTextAlign; },
  textBaseline: (c, v) => { c.textBaseline = String(v) as CanvasTextBaseline; },
  shadowBlur: (c, v) => { if (finite(v)) c.shadowBlur = Math.min(v, 100); },
  shadowColor: (c, v) => { if (typeof v === "string") c.shadowColor = v; },
  shadowOffsetX: (c, v) => { if (finite(v)) c.shadowOffsetX = v; },
  shadowOffsetY: (c, v) => { if (finite(v)) c.shadowOffsetY = v; },
};

type Bag = Record<string, unknown>;
const isBag = (v: unknown): v is Bag => typeof v === "object" && v !== null && !Array.isArray(v);

function bytesOf(base64: unknown): ArrayBuffer | null {
  if (typeof base64 !== "string") return null;
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
  } catch {
    return null;
  }
}

const RASTER = /^image\/(png|jpeg|webp|gif|bmp)$/;

/* The bytes of a recorded picture: an ImageBitmap made of a Blob, or an element with a data: address. */
function pictureOf(arg: unknown): Blob | null {
  if (!isBag(arg)) return null;
  if (arg["rr_type"] === "ImageBitmap" && Array.isArray(arg["args"])) return pictureOf(arg["args"][0]);
  if (arg["rr_type"] === "Blob" && Array.isArray(arg["data"]) && typeof arg["type"] === "string" && RASTER.test(arg["type"])) {
    const parts = (arg["data"] as unknown[]).map((d) => (isBag(d) && d["rr_type"] === "ArrayBuffer" ? bytesOf(d["base64"]) : null));
    return parts.every((p) => p !== null) ? new Blob(parts as ArrayBuffer[], { type: arg["type"] }) : null;
  }
  if (typeof arg["src"] === "string") return pictureOfAddress(arg["src"]);
  return null;
}

function pictureOfAddress(src: string): Blob | null {
  const m = /^data:(image\/[a-z]+);base64,/.exec(src.slice(0, 40));
  const bytes = m !== null && RASTER.test(m[1] ?? "") ? bytesOf(src.slice(m[0].length)) : null;
  return bytes === null ? null : new Blob([bytes], { type: m?.[1] ?? "" });
}

const side = (v: string | null, otherwise: number): number => {
  const x = Number.parseInt(v ?? "", 10);
  return Number.isFinite(x) && x > 0 ? Math.min(x, SIDE_MAX) : otherwise;
};

/* Commands that make the path longer, and the stack of states deeper. */
const PATH = new Set(["rect", "moveTo", "lineTo", "quadraticCurveTo", "bezierCurveTo", "arc", "arcTo", "ellipse"]);

async function unpacked(blob: Blob): Promise<ImageBitmap | null> {
  const size = pictureSize(new Uint8Array(await blob.arrayBuffer()));
  return size === null || size.width * size.height > PICTURE_PIXELS_MAX ? null : createImageBitmap(blob);
}

const pause = () => new Promise<void>((ok) => setTimeout(ok, 0));

class Surface {
  private readonly canvas = document.createElement("canvas");
  private queue: Bag[] = [];
  private busy = false;
  private pieces = 0;
  private saved = 0;
  node: HTMLElement | null = null;
  pixels = 0;
  gone = false;

  constructor(private readonly changed: () => void) {
    this.canvas.width = this.canvas.height = 1;
  }

  /* Where it is shown, in its own size. What was painted stays: a recorder sends the rest anew. */
  attach(node: HTMLElement, w: number, h: number, first: unknown): void {
    const fresh = this.node === null;
    const moved = this.node !== node;
    this.node = node;
    const sized = this.canvas.width !== w || this.canvas.height !== h;
    if (sized) this.resize(w, h);
    this.pixels = w * h;
    if (!sized && !moved) return;
    const picture = fresh && typeof first === "string" ? pictureOfAddress(first) : null;
    if (picture !== null) this.queue.unshift({ property: "drawImage", args: [{ blob: picture }, 0, 0] });
    void this.work();
    this.changed();
  }

  private resize(w: number, h: number): void {
    const was = this.pixels > 0 ? document.createElement("canvas") : null;
    if (was !== null) {
      was.width = this.canvas.width;
      was.height = this.canvas.height;
      was.getContext("2d")?.drawImage(this.canvas, 0, 0);
    }
    this.canvas.width = w;
    this.canvas.height = h;
    this.pieces = this.saved = 0;
    if (was !== null) this.canvas.getContext("2d")?.drawImage(was, 0, 0);
  }

  add(commands: unknown[]): void {
    for (const c of commands) {
      if (!isBag(c)) continue;
      // A picture that replaces all: what came before need not be painted.
      if (this.node !== null && c["property"] === "clearRect" && Array.isArray(c["args"]) && c["args"][0] === 0 && c["args"][1] === 0 && Number(c["args"][2]) >= this.canvas.width && Number(c["args"][3]) >= this.canvas.height) this.queue = this.queue.filter((q) => q["setter"] !== undefined);
      this.queue.push(c);
    }
    if (this.queue.length > QUEUE_MAX) this.queue = this.queue.slice(-QUEUE_MAX);
    void this.work();
  }

  private async work(): Promise<void> {
    if (this.busy || this.node === null) return;
    this.busy = true;
    let began = performance.now();
    for (let c = this.queue.shift(); c !== undefined && !this.gone; c = this.queue.shift()) {
      try {
        await this.paint(c);
      } catch {
        // a command that cannot be: the next one
      }
      if (performance.now() - began > TURN_MS) {
        await pause();
        began = performance.now();
      }
    }
    this.busy = false;
    this.changed();
  }

  /* False: there has been enough of it. */
  private counted(name: string): boolean {
    if (name === "beginPath") this.pieces = 0;
    if (name === "save" && this.saved++ >= SAVED_MAX) return false;
    if (name === "restore") this.saved = Math.max(0, this.saved - 1);
    return !PATH.has(name) || this.pieces++ < PATH_MAX;
  }

  private async paint(c: Bag): Promise<void> {
    const context = this.canvas.getContext("2d");
    const name = String(c["property"]);
    const args: unknown[] = Array.isArray(c["args"]) ? c["args"] : [];
    if (context === null) return;
    if (c["setter"] === true) {
      const v = args[0];
      if (Object.hasOwn(SETTERS, name) && (typeof v === "number" || (typeof v === "string" && v.length <= TEXT_MAX))) SETTERS[name]?.(context, v);
      return;
    }
    if (Object.hasOwn(NUMBERS, name)) {
      const [least, draw] = NUMBERS[name] ?? [0, () => {}];
      const given = args.filter((a) => typeof a === "number" || typeof a === "boolean").map(Number);
      if (given.length >= least && given.every(finite) && this.counted(name)) draw(context, given);
    } else if ((name === "fillText" || name === "strokeText") && typeof args[0] === "string" && finite(args[1]) && finite(args[2])) {
      context[name](args[0].slice(0, TEXT_MAX), args[1], args[2]);
    } else if (name === "drawImage") {
      await this.picture(context, args);
    }
  }

  private async picture(context: CanvasRenderingContext2D, args: unknown[]): Promise<void> {
    const first = args[0];
    const blob = isBag(first) && first["blob"] instanceof Blob ? first["blob"] : pictureOf(first);
    const a = args.slice(1);
    if (blob === null || !a.every(finite)) return;
    const picture = await unpacked(blob);
    if (picture === null) return;
    if (a.length === 2) context.drawImage(picture, n(a, 0), n(a, 1));
    else if (a.length === 4) context.drawImage(picture, n(a, 0), n(a, 1), n(a, 2), n(a, 3));
    else if (a.length === 8) context.drawImage(picture, n(a, 0), n(a, 1), n(a, 2), n(a, 3), n(a, 4), n(a, 5), n(a, 6), n(a, 7));
    picture.close();
  }

  /* What is painted becomes the recorded element's content: a replaced element of the canvas's own size, as a canvas is. */
  show(): void {
    // toBlob waits for a browser that has nothing to do.
    if (!this.gone) this.node?.style.setProperty("content", `url("${this.canvas.toDataURL("image/png")}")`, "important");
  }

  drop(): void {
    this.gone = true;
    this.node = null;
    this.queue = [];
    this.canvas.width = this.canvas.height = 0; // the memory goes now, not when somebody collects
  }
}

/* All canvases of one replayer, by their elements' numbers. */
export class Canvases {
  private readonly surfaces = new Map<number, Surface>();
  private readonly dirty = new Set<Surface>();
  private timer = 0;
  private pixels = 0;

  private of(id: number): Surface | null {
    let s = this.surfaces.get(id);
    if (s === undefined) {
      if (this.surfaces.size >= CANVASES_MAX && !this.forgetOne()) return null;
      const made: Surface = (s = new Surface(() => this.changed(made)));
      this.surfaces.set(id, s);
    }
    return s;
  }

  /* Commands for a number that no element has: the oldest goes first. */
  private forgetOne(): boolean {
    for (const [id, s] of this.surfaces) {
      if (s.node !== null) continue;
      this.remove(id, s);
      return true;
    }
    return false;
  }

  private remove(id: number, s: Surface): void {
    this.pixels -= s.pixels;
    this.dirty.delete(s);
    s.drop();
    this.surfaces.delete(id);
  }

  /* The recorded element of a canvas was built, or may have changed its size. */
  built(node: HTMLElement, id: number, first: unknown): void {
    const s = this.of(id);
    const w = side(node.getAttribute("width"), 300);
    const h = side(node.getAttribute("height"), 150);
    if (s === null || this.pixels - s.pixels + w * h > PIXELS_MAX) {
      if (s !== null) this.remove(id, s);
      node.style.setProperty("content", NOT_SHOWN, "important");
      return;
    }
    this.pixels += w * h - s.pixels;
    s.attach(node, w, h, first);
  }

  /* data of a canvas event: one command, or several. WebGL is painted from pictures only, which recorders send as 2D commands. */
  paint(data: unknown): void {
    if (!isBag(data) || typeof data["id"] !== "number" || data["type"] !== 0) return;
    this.of(data["id"])?.add(Array.isArray(data["commands"]) ? data["commands"] : [data]);
  }

  /* A recorded style may have taken the content away. */
  again(id: number): void {
    const s = this.surfaces.get(id);
    if (s !== undefined) this.changed(s);
  }

  /* Each with its element; one whose element has gone goes, too. */
  settle(nodeOf: (id: number) => Node | null): void {
    for (const [id, s] of [...this.surfaces]) {
      const node = nodeOf(id);
      if (node?.nodeName === "CANVAS") this.built(node as HTMLElement, id, undefined);
      else if (s.node !== null) this.remove(id, s);
    }
  }

  private changed(s: Surface): void {
    this.dirty.add(s);
    if (this.timer === 0) this.timer = window.setTimeout(() => this.show(), SHOW_MS);
  }

  /* A turn at a time: large pictures take long, and a quarter of the time is theirs at most. */
  private show(): void {
    const began = performance.now();
    for (const s of this.dirty) {
      this.dirty.delete(s);
      s.show();
      if (performance.now() - began > TURN_MS) break;
    }
    const spent = performance.now() - began;
    this.timer = this.dirty.size > 0 ? window.setTimeout(() => this.show(), Math.max(SHOW_MS, 3 * spent)) : 0;
  }

  drop(): void {
    clearTimeout(this.timer);
    for (const [id, s] of [...this.surfaces]) this.remove(id, s);
  }
}
