/*
 * Canvases of recorded pages. The frame that holds a recorded page runs no script, and there a browser does not draw a canvas at all. So each has a
 * canvas of ours, outside: recorded pictures and a list of harmless commands are painted on it, and the recorded element shows the result
 * as its content. Nothing that a recording says is called by its own name; nothing is fetched: pictures are bytes of the recording.
 */
const SIDE_MAX = 4096;
const TEXT_MAX = 2000;
const QUEUE_MAX = 500;
const SHOW_MS = 60;

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

const RASTER = /^image\/(png|jpeg|webp|gif|bmp|avif)$/;

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

class Surface {
  private readonly canvas = document.createElement("canvas");
  private queue: Bag[] = [];
  private busy = false;
  private timer = 0;
  private node: HTMLElement | null = null;
  gone = false;

  /* The recorded element, when it is there; another one after it was built anew. */
  attach(node: HTMLElement, first: unknown): void {
    if (this.node === node) return;
    const fresh = this.node === null;
    this.node = node;
    const w = side(node.getAttribute("width"), 300);
    const h = side(node.getAttribute("height"), 150);
    if (this.canvas.width !== w || this.canvas.height !== h) {
      this.canvas.width = w;
      this.canvas.height = h;
    }
    const picture = fresh && typeof first === "string" ? pictureOfAddress(first) : null;
    if (picture !== null) this.queue.unshift({ property: "drawImage", args: [{ blob: picture }, 0, 0] });
    void this.work();
    this.show();
  }

  add(commands: unknown[]): void {
    for (const c of commands) {
      if (!isBag(c)) continue;
      // A picture that replaces all: what came before need not be painted.
      if (c["property"] === "clearRect" && Array.isArray(c["args"]) && c["args"][0] === 0 && c["args"][1] === 0 && Number(c["args"][2]) >= this.canvas.width && Number(c["args"][3]) >= this.canvas.height) this.queue = this.queue.filter((q) => q["setter"] !== undefined);
      this.queue.push(c);
    }
    if (this.queue.length > QUEUE_MAX * 20) this.queue = this.queue.slice(-QUEUE_MAX * 20);
    void this.work();
  }

  private async work(): Promise<void> {
    if (this.busy || this.node === null) return;
    this.busy = true;
    for (let c = this.queue.shift(); c !== undefined && !this.gone; c = this.queue.shift()) {
      try {
        await this.paint(c);
      } catch {
        // a command that cannot be: the next one
      }
    }
    this.busy = false;
    this.show();
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
      if (given.length >= least && given.every(finite)) draw(context, given);
    } else if ((name === "fillText" || name === "strokeText") && typeof args[0] === "string" && finite(args[1]) && finite(args[2])) {
      context[name](args[0].slice(0, TEXT_MAX), args[1], args[2]);
    } else if (name === "drawImage") {
      const first = args[0];
      const blob = isBag(first) && first["blob"] instanceof Blob ? first["blob"] : pictureOf(first);
      const at = args.slice(1);
      if (blob === null || !at.every(finite)) return;
      const picture = await createImageBitmap(blob);
      const a = at as number[];
      if (a.length === 2) context.drawImage(picture, n(a, 0), n(a, 1));
      else if (a.length === 4) context.drawImage(picture, n(a, 0), n(a, 1), n(a, 2), n(a, 3));
      else if (a.length === 8) context.drawImage(picture, n(a, 0), n(a, 1), n(a, 2), n(a, 3), n(a, 4), n(a, 5), n(a, 6), n(a, 7));
      picture.close();
    }
  }

  /* What is painted becomes the recorded element's content: a replaced element of the canvas's own size, as a canvas is. */
  show(): void {
    if (this.timer !== 0 || this.node === null || this.gone) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      // toBlob waits for a browser that has nothing to do.
      if (!this.gone) this.node?.style.setProperty("content", `url("${this.canvas.toDataURL("image/png")}")`, "important");
    }, SHOW_MS);
  }

  drop(): void {
    this.gone = true;
    clearTimeout(this.timer);
    this.node = null;
    this.queue = [];
  }
}

/* All canvases of one replayer, by their elements' numbers. */
export class Canvases {
  private readonly surfaces = new Map<number, Surface>();

  private of(id: number): Surface {
    let s = this.surfaces.get(id);
    if (s === undefined) {
      s = new Surface();
      this.surfaces.set(id, s);
    }
    return s;
  }

  built(node: HTMLElement, id: number, attributes: unknown): void {
    this.of(id).attach(node, isBag(attributes) ? attributes["rr_dataURL"] : undefined);
  }

  /* data of a canvas event: one command, or several. WebGL is painted from pictures only, which recorders send as 2D commands. */
  paint(data: unknown): void {
    if (!isBag(data) || typeof data["id"] !== "number" || data["type"] !== 0) return;
    this.of(data["id"]).add(Array.isArray(data["commands"]) ? data["commands"] : [data]);
  }

  /* A recorded style may have taken the content away. */
  again(id: number): void {
    this.surfaces.get(id)?.show();
  }

  ids(): number[] {
    return [...this.surfaces.keys()];
  }

  drop(): void {
    for (const s of this.surfaces.values()) s.drop();
    this.surfaces.clear();
  }
}
