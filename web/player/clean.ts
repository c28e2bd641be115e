/*
 * The last cleaning of recorded DOM events before a node is built (STANDARDS 5.3 rule 1). Pure; changes the event it is given.
 * It is one of several layers: the frame runs no script and its policy has no network.
 *
 * Elements that could act keep their place and number (later events refer to it) but become an empty <noscript>.
 */
const ELEMENTS = new Set(["script", "object", "embed", "applet", "portal", "base", "frame", "frameset", "fencedframe", "annotation-xml", "math"]);
const GONE = new Set(["srcdoc", "ping", "action", "formaction", "srcset", "imagesrcset", "background", "manifest", "archive", "codebase", "classid", "data", "profile", "longdesc", "target", "autofocus", "nonce", "integrity", "is"]);
const ADDRESSES = new Set(["href", "xlink:href", "src", "poster", "cite", "rr_src"]);
const ANCHORS = new Set(["a", "area", "blockquote", "q", "del", "ins"]); // an address here loads nothing by itself
const OWN_DATA = /^(data:(image\/(?!svg)|audio\/|video\/|font\/)|blob:|#)/i;
const SVG_ACTIVE = new Set(["use", "animate", "set", "animatemotion", "animatetransform", "foreignobject"]);
const BAD_SCHEME = /^(javascript|vbscript|data:text\/html|data:image\/svg|data:application|file|livescript)/i;
const CSS_BAD = /@import[^;]*;?|expression\s*\(|-moz-binding\s*:|behavior\s*:|image-set\s*\(/gi;
const CSS_URL = /url\(\s*(?!["']?\s*(?:data:(?:image\/(?!svg)|font\/|application\/(?:x-)?font)|blob:|#))[^)]*\)/gi;
const DEPTH_MAX = 2000;

type Bag = Record<string, unknown>;

const CSS_ESCAPE = /\\(?:([0-9a-f]{1,6})[ \t\r\n\f]?|([^\r\n\f]))/gi;

function scrub(css: string): string {
  return css.replace(CSS_BAD, "").replace(CSS_URL, "none");
}

/* Escapes can hide a word: where they do, the sheet goes on without them. */
export function cleanCss(css: string): string {
  if (!css.includes("\\")) return scrub(css);
  const plain = css.replace(CSS_ESCAPE, (_, hex: string | undefined, c: string | undefined) => {
    const u = hex === undefined ? 0 : parseInt(hex, 16);
    return hex === undefined ? (c ?? "") : u === 0 || u > 0x10ffff ? "\ufffd" : String.fromCodePoint(u);
  });
  const scrubbed = scrub(plain);
  return scrubbed === plain ? scrub(css) : scrubbed;
}

function isBad(value: string): boolean {
  return BAD_SCHEME.test(value.replace(/[\x00-\x20\x7f-\x9f\u200b-\u200f\u2028-\u202f\ufeff]/g, ""));
}

/* One attribute: the value to keep, or undefined. `tag` lower case; "" when the element is not known: then the strictest holds. */
function attribute(tag: string, name: string, value: unknown): unknown {
  const n = name.toLowerCase();
  if (n.startsWith("on") || GONE.has(n)) return undefined;
  if (ADDRESSES.has(n)) {
    if (tag === "iframe" || tag === "link" || SVG_ACTIVE.has(tag) || typeof value !== "string") return undefined;
    if (ANCHORS.has(tag)) return isBad(value) ? undefined : value;
    return OWN_DATA.test(value.trim()) ? value : undefined; // what would be fetched comes with the recording or not at all
  }
  if (SVG_ACTIVE.has(tag) && (n === "to" || n === "from" || n === "values" || n === "by" || n === "attributename")) return undefined;
  if (n === "style" || n === "_csstext" || n === "rr_csstext") {
    if (typeof value === "string") return cleanCss(value);
    if (typeof value === "object" && value !== null) return styleObject(value as Bag);
  }
  if (n === "http-equiv") return undefined;
  return value;
}

function styleObject(o: Bag): Bag {
  const out: Bag = {};
  for (const [k, v] of Object.entries(o))
    out[k] = typeof v === "string" ? cleanCss(v) : Array.isArray(v) ? v.map((x) => (typeof x === "string" ? cleanCss(x) : x)) : v;
  return out;
}

function attributes(tag: string, bag: unknown): Bag {
  const out: Bag = {};
  if (typeof bag !== "object" || bag === null) return out;
  for (const [k, v] of Object.entries(bag)) {
    const kept = attribute(tag, k, v);
    if (kept !== undefined) out[k] = kept;
  }
  return out;
}

function node(n: unknown, depth: number, tags: Map<number, string>): void {
  if (typeof n !== "object" || n === null) return;
  const b = n as Bag;
  if (b["type"] === 2) {
    const tag = String(b["tagName"] ?? "").toLowerCase();
    const http = typeof b["attributes"] === "object" && b["attributes"] !== null && Object.keys(b["attributes"]).some((k) => k.toLowerCase() === "http-equiv");
    const isLink = tag === "link" && (b["attributes"] as Bag | undefined)?.["_cssText"] === undefined;
    if (ELEMENTS.has(tag) || isLink || (tag === "meta" && http) || depth > DEPTH_MAX) {
      b["tagName"] = "noscript";
      b["attributes"] = {};
      b["childNodes"] = depth > DEPTH_MAX ? [] : b["childNodes"];
    } else b["attributes"] = attributes(tag, b["attributes"]);
    if (tag === "style") b["isStyle"] ??= true;
    if (typeof b["id"] === "number") tags.set(b["id"], tag);
  }
  if (b["type"] === 3 && typeof b["textContent"] === "string" && b["isStyle"] === true) b["textContent"] = cleanCss(b["textContent"]);
  const children = b["childNodes"];
  if (Array.isArray(children))
    for (const c of children) {
      if (b["type"] === 2 && b["isStyle"] === true && typeof c === "object" && c !== null) (c as Bag)["isStyle"] = true;
      node(c, depth + 1, tags);
    }
}

/* Cleans events of one recording in their order: later ones change elements by number, so their names are remembered. */
export function createCleaner(): (e: unknown) => Bag {
  const tags = new Map<number, string>();
  return (e) => cleanEvent(e, tags);
}

/* The event itself, cleaned. What is not an object comes back as a harmless custom event. */
function cleanEvent(e: unknown, tags: Map<number, string>): Bag {
  if (typeof e !== "object" || e === null) return { type: 5, data: { tag: "keyhole/odd", payload: {} } };
  const b = e as Bag;
  const data = b["data"];
  if (typeof data !== "object" || data === null) return b;
  const d = data as Bag;
  if (b["type"] === 2) node(d["node"], 0, tags);
  if (b["type"] === 3) {
    switch (d["source"]) {
      case 0: // mutation
        for (const a of list(d["adds"])) node(a["node"], 0, tags);
        for (const a of list(d["attributes"])) a["attributes"] = attributes(tags.get(a["id"] as number) ?? "", a["attributes"]);
        break;
      case 8: // style sheet rules
        for (const a of list(d["adds"])) if (typeof a["rule"] === "string") a["rule"] = cleanCss(a["rule"]);
        if (typeof d["replace"] === "string") d["replace"] = cleanCss(d["replace"]);
        if (typeof d["replaceSync"] === "string") d["replaceSync"] = cleanCss(d["replaceSync"]);
        break;
      case 10: // font: only from data that came with it
        if (typeof d["fontSource"] === "string" && d["buffer"] !== true) d["fontSource"] = cleanCss(d["fontSource"]);
        break;
      case 13: // style declaration
        if (typeof d["set"] === "object" && d["set"] !== null) d["set"] = styleObject(d["set"] as Bag);
        break;
      case 15: // adopted style sheets
        for (const s of list(d["styles"])) for (const r of list(s["rules"])) if (typeof r["rule"] === "string") r["rule"] = cleanCss(r["rule"]);
        break;
    }
  }
  return b;
}

function list(v: unknown): Bag[] {
  return Array.isArray(v) ? v.filter((x): x is Bag => typeof x === "object" && x !== null) : [];
}
