/*
 * The last cleaning of recorded DOM events before a node is built (STANDARDS 5.3 rule 1): what src/codec/sanitize.h does on the server,
 * once more, from the same table. Pure; changes the event it is given. A test compares the two over the same recordings.
 *
 * It is one of several layers: the frame runs no script and its policy has no network.
 */
import { cleanCss } from "./css";
import { addressKind, attributeKind, cssProperty, lower, tagKind, type Address, type AttributeKind, type TagKind } from "./names";
import { CSS_MAX, DEPTH_MAX, MOVED, NODES_MAX, TEXT_MAX } from "./table";

type Bag = Record<string, unknown>;

/* What is allowed of an element. */
interface Allowed { frame: boolean; ref: boolean; image: boolean; mutation: boolean }

const PLACEHOLDER = "noscript";

const isBag = (v: unknown): v is Bag => typeof v === "object" && v !== null && !Array.isArray(v);
const isId = (v: unknown): v is number => Number.isSafeInteger(v);

/* Numbers of elements, modulo the map's size: a collision makes a rule stricter, never weaker. */
class Numbers {
  private readonly bits: Uint8Array;
  learned = false;
  constructor(private readonly size: number) { this.bits = new Uint8Array(size); }
  private at(id: number): number { return ((id % this.size) + this.size) % this.size; }
  has(id: number): boolean { return this.bits[this.at(id)] === 1; }
  add(id: number): void {
    this.learned ||= !this.has(id);
    this.bits[this.at(id)] = 1;
  }
  clear(): void { this.bits.fill(0); }
}

interface State { style: Numbers; ref: Numbers; image: Numbers; frame: Numbers; nodes: number; orphans: boolean; canvas: CanvasSeen }

/* A canvas element, or a change of attributes, which may be one's. */
export type CanvasSeen = (n: { attributes?: Record<string, unknown> }) => void;

const all = (s: State): Numbers[] => [s.style, s.ref, s.image, s.frame];

/* ---- texts ---- */

function text(v: unknown, css: boolean, seal: boolean): unknown {
  if (v === null || v === undefined) return v;
  if (typeof v !== "string") return ""; // a list would become text by itself
  if (css) return v.length > CSS_MAX ? "" : cleanCss(v, seal);
  return v.length > TEXT_MAX ? v.slice(0, TEXT_MAX - 3) + "…" : v;
}

/* _cssText: rrweb cuts it at this mark and joins the parts again without it; other texts may follow. */
function sheet(css: string): string {
  if (css.length > CSS_MAX) return "";
  const whole = css.split("/* rr_split */").join("");
  const clean = cleanCss(whole, true);
  if (whole === css || clean !== whole) return clean;
  return cleanCss(css, true) === css ? css : whole;
}

/* ---- attributes ---- */

function hrefStays(a: Address, k: Allowed): boolean {
  if (k.ref && k.image) return false;
  if (k.ref) return a === "PLACE";
  return !k.image || a === "OWN";
}

function address(out: Bag, name: string, value: string, what: AttributeKind, k: Allowed): void {
  const a = addressKind(value);
  if (a === "BAD") {
    if (what === "HREF" && !k.image) out[name] = "#"; // it still looks like a link
    return;
  }
  if (what === "ADDRESS") out[name] = value;
  else if (what === "IMAGE") {
    if (a === "OWN") out[name] = value;
  } else if (what === "HREF" ? hrefStays(a, k) : !k.frame && (a === "OWN" || a === "EMPTY")) out[name] = value;
  else {
    if (k.mutation) out[name] = null; // what was there before goes
    out[MOVED + name] = value;
  }
}

function stringAttribute(out: Bag, name: string, value: string, what: AttributeKind, k: Allowed): void {
  switch (what) {
    case "DROP": return;
    case "SRC": case "IMAGE": case "HREF": case "ADDRESS": return address(out, name, value, what, k);
    case "TARGET": {
      const target = attributeKind(value.replace(/^[\u0000- ]+|[\u0000- ]+$/g, ""));
      if (target === "TEXT" || target === "CSS" || target === "VALUE") out[name] = value;
      return;
    }
    case "VALUE":
      if (addressKind(value) !== "BAD") out[name] = text(value, true, false);
      return;
    case "CSS":
      out[name] = lower(name) === "_csstext" ? sheet(value) : text(value, true, false);
      return;
    case "TEXT":
      out[name] = text(value, false, false);
  }
}

function declarations(o: Bag): Bag {
  const out: Bag = {};
  for (const [k, v] of Object.entries(o)) {
    if (cssProperty(k) || isBag(v) || k === "__proto__") continue;
    out[k] = typeof v === "string" ? text(v, true, false) : Array.isArray(v) ? v.map((x: unknown) => text(x, true, false)) : v;
  }
  return out;
}

function attributes(bag: unknown, k: Allowed): Bag {
  const out: Bag = {};
  if (!isBag(bag)) return out;
  for (const [name, v] of Object.entries(bag)) {
    const what = attributeKind(name);
    if (typeof v === "string") stringAttribute(out, name, v, what, k);
    else if (name === "style" && k.mutation && isBag(v)) out[name] = declarations(v);
    else if (typeof v === "object" && v !== null) continue; // it would become a string by itself
    else if (what !== "DROP" && (v === null || what === "TEXT" || what === "CSS" || what === "VALUE" || what === "TARGET")) out[name] = v;
  }
  return out;
}

/* ---- nodes ---- */

const TAG = /^[A-Za-z][A-Za-z0-9_.:\u0080-\uffff-]*$/;
const tagNameOk = (v: unknown): v is string => typeof v === "string" && TAG.test(v) && new TextEncoder().encode(v).length <= 200;

function allowedOf(tag: TagKind): Allowed {
  const both = tag === "LINK" || tag === "ANIMATE"; // of what both allow nothing is left
  return { frame: tag === "FRAME", ref: tag === "REF" || both, image: tag === "IMAGE" || both, mutation: false };
}

function learn(s: State, tag: TagKind, id: number): void {
  const k = allowedOf(tag);
  if (tag === "STYLE" || tag === "LINK") s.style.add(id); // a rewritten sheet becomes a style
  if (k.frame) s.frame.add(id);
  if (k.ref) s.ref.add(id);
  if (k.image) s.image.add(id);
}

function element(s: State, n: Bag, depth: number): void {
  const tag: TagKind = tagNameOk(n["tagName"]) ? tagKind(n["tagName"]) : "DROP";
  const http = isBag(n["attributes"]) && Object.keys(n["attributes"]).some((k) => lower(k) === "http-equiv");
  const placeholder = tag === "DROP" || (tag === "META" && http);
  if (placeholder) n["tagName"] = PLACEHOLDER;
  n["attributes"] = placeholder ? {} : attributes(n["attributes"], allowedOf(tag));
  if (lower(n["tagName"] as string) === "canvas") s.canvas(n);
  if (!isId(n["id"])) delete n["id"];
  else if (!placeholder) learn(s, tag, n["id"]);
  children(s, n, tag === "STYLE" || tag === "LINK", depth);
}

function children(s: State, n: Bag, css: boolean, depth: number): void {
  const list = n["childNodes"];
  n["childNodes"] = Array.isArray(list) ? list.filter((c) => node(s, c, css, depth + 1)) : [];
}

/* False: it is no node that is ever built. */
function node(s: State, n: unknown, inStyle: boolean, depth: number): boolean {
  if (depth > DEPTH_MAX) throw new Error("dom-depth");
  if (++s.nodes > NODES_MAX) throw new Error("dom-nodes");
  if (!isBag(n)) return false;
  const type = n["type"];
  if (typeof type !== "number" || !Number.isInteger(type) || type < 0 || type > 5) return false;
  if (Object.hasOwn(n, "__proto__")) delete n["__proto__"];
  if (type === 2) {
    element(s, n, depth);
    return true;
  }
  if (!isId(n["id"])) delete n["id"];
  else if (type === 3 && inStyle) s.style.add(n["id"]);
  if (Object.hasOwn(n, "textContent")) n["textContent"] = text(n["textContent"], inStyle && type === 3, true);
  if (type === 0) children(s, n, false, depth);
  else delete n["childNodes"];
  if (type === 1) doctype(n);
  if (type === 4) n["type"] = 5; // a section of an XML page is nothing that HTML can hold
  return true;
}

/* rrweb takes for granted that these are text. */
function doctype(n: Bag): void {
  if (Object.hasOwn(n, "name") && !tagNameOk(n["name"])) n["name"] = "html";
  for (const k of ["publicId", "systemId"]) {
    const v = n[k];
    if (Object.hasOwn(n, k) && (typeof v !== "string" || v.length > 200)) n[k] = "";
  }
}

/* ---- events ---- */

const bags = (v: unknown, keep: (b: Bag) => boolean): unknown => (Array.isArray(v) ? v.filter((x) => isBag(x) && keep(x)) : v);

function rules(b: Bag): boolean {
  if (Object.hasOwn(b, "rule")) b["rule"] = text(b["rule"], true, false);
  if (Object.hasOwn(b, "rules")) b["rules"] = bags(b["rules"], rules);
  return true;
}

function mutation(s: State, d: Bag): void {
  if (Object.hasOwn(d, "adds"))
    d["adds"] = bags(d["adds"], (a) => {
      const parent = a["parentId"];
      s.orphans = true;
      return node(s, a["node"], isId(parent) && s.style.has(parent), 0);
    });
  if (Object.hasOwn(d, "texts"))
    d["texts"] = bags(d["texts"], (t) => {
      const id = t["id"];
      if (!isId(id)) return false;
      s.orphans = true;
      if (Object.hasOwn(t, "value")) t["value"] = text(t["value"], s.style.has(id), true);
      return true;
    });
  if (Object.hasOwn(d, "attributes"))
    d["attributes"] = bags(d["attributes"], (a) => {
      const id = a["id"];
      if (!isId(id)) return false;
      s.orphans = true;
      const allowed: Allowed = { frame: s.frame.has(id), ref: s.ref.has(id), image: s.image.has(id), mutation: true };
      if (Object.hasOwn(a, "attributes")) a["attributes"] = attributes(a["attributes"], allowed);
      s.canvas(a);
      return true;
    });
}

/* Images of canvas commands, wherever they stand: an address that would be fetched is emptied. */
function canvas(v: unknown, depth = 0): void {
  if (typeof v !== "object" || v === null || depth > DEPTH_MAX) return;
  for (const [k, x] of Object.entries(v)) {
    if (k === "src" && typeof x === "string" && !Array.isArray(v)) {
      const a = addressKind(x);
      if (a !== "OWN" && a !== "EMPTY") (v as Bag)[k] = "";
    } else canvas(x, depth + 1);
  }
}

function font(d: Bag): void {
  const source = d["fontSource"];
  if (!Object.hasOwn(d, "fontSource")) return;
  if (typeof source === "string" && Boolean(d["buffer"])) {
    if (!/^\[[0-9,]*\]$/.test(source)) d["fontSource"] = "[]"; // rrweb makes an array of what it is
  } else d["fontSource"] = text(source, true, false);
}

function declaration(d: Bag): void {
  const set = d["set"];
  if (!isBag(set)) return;
  if (Object.hasOwn(set, "property") && (typeof set["property"] !== "string" || cssProperty(set["property"]))) delete d["set"];
  else if (Object.hasOwn(set, "value")) set["value"] = text(set["value"], true, false);
}

function incremental(s: State, d: Bag): void {
  switch (d["source"]) {
    case 0: mutation(s, d); break;
    case 8:
      if (Object.hasOwn(d, "adds")) d["adds"] = bags(d["adds"], rules);
      for (const k of ["replace", "replaceSync"]) if (typeof d[k] === "string") d[k] = text(d[k], true, false);
      break;
    case 9: canvas(d); break;
    case 10: font(d); break;
    case 13: declaration(d); break;
    case 15:
      if (Object.hasOwn(d, "styles")) d["styles"] = bags(d["styles"], rules);
      break;
  }
}

function full(s: State, d: Bag): void {
  if (!Object.hasOwn(d, "node")) return;
  const n = d["node"];
  for (const m of all(s)) m.clear();
  if (!isBag(n) || n["type"] !== 0 || !node(s, n, false, 0)) d["node"] = { type: 0, childNodes: [], id: 1 };
}

/*
 * Cleans events of one recording in their order: later ones name elements by number, so what they are is remembered. What is no object
 * comes back as a harmless custom event. Throws when a limit is passed.
 */
export function createCleaner(canvas: CanvasSeen = () => {}): (e: unknown) => Bag {
  const s: State = { style: new Numbers(2048), ref: new Numbers(2048), image: new Numbers(512), frame: new Numbers(256), nodes: 0, orphans: false, canvas };
  return (e) => {
    if (!isBag(e)) return { type: 5, data: { tag: "keyhole/odd", payload: {} } };
    const d = e["data"];
    if (!isBag(d) || (e["type"] !== 2 && e["type"] !== 3)) return e;
    // A mutation lists texts and attributes before the nodes that it adds, but adds come first: what was learnt late is looked at once more.
    for (let round = 0; round < 3; round++) {
      s.nodes = 0;
      s.orphans = false;
      for (const m of all(s)) m.learned = false;
      if (e["type"] === 2) full(s, d);
      else incremental(s, d);
      if (!s.orphans || !all(s).some((m) => m.learned)) break;
    }
    return e;
  };
}
