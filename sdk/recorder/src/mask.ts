/*
 * What leaves the page: text, inputs, attributes and addresses are masked here, in every event, after rrweb has made it and before
 * it is kept anywhere. rrweb's own masking does not reach attributes, radio values, or text directly under a shadow root; so it is
 * not relied on.
 *
 * A character that is no white space becomes "*", so that lines break where they did. Passwords are never unmasked.
 */
import type { Settings } from "./options";

export interface RrEvent {
  type: number;
  data: any;
  timestamp: number;
}

type Attributes = Record<string, unknown>;
type Serialized = { type: number; id: number; tagName?: string; attributes?: Attributes; childNodes?: Serialized[]; textContent?: string; isSVG?: boolean };

export const stars = (s: string): string => s.replace(/\S/g, "*");

const URLS = new Set(["href", "src", "action", "formaction", "poster", "cite", "data", "xlink:href", "background", "manifest", "rr_src", "codebase", "longdesc", "usemap", "ping"]);
/* Never text of a person: names, states, sizes, shapes. What is not here is masked, unless it draws SVG. */
const PLAIN = new Set(("id class style type role name for width height dir lang rel media hidden disabled checked selected multiple readonly required " +
  "colspan rowspan span scope headers rows cols wrap size maxlength minlength min max step low high optimum start reversed open controls autoplay loop muted " +
  "preload kind srclang default sizes loading decoding fetchpriority crossorigin referrerpolicy target method enctype novalidate autocomplete autocapitalize " +
  "autofocus inputmode enterkeyhint spellcheck translate draggable contenteditable tabindex accesskey is slot part exportparts popover popovertarget form " +
  "list shape coords charset http-equiv align valign bgcolor border cellpadding cellspacing color face nowrap frameborder scrolling allow allowfullscreen " +
  "sandbox as integrity nonce async defer xmlns _csstext").split(" "));
const ARIA = /^aria-(hidden|expanded|selected|checked|disabled|pressed|current|live|busy|modal|orientation|haspopup|level|setsize|posinset|controls|owns|labelledby|describedby|invalid|required|readonly|sort|atomic|relevant|multiline|multiselectable|colcount|rowcount|colindex|rowindex|autocomplete)$/;
const DATA = /^data-(state|side|align|orientation|theme|color-scheme|mode|open|closed|active|selected|disabled|highlighted|placement|variant|size|slot|index|level|collapsed|visible|rr-is-password)$/;
const META = /^(viewport|color-scheme|theme-color|format-detection|apple-mobile-web-app-capable)$/i;
const WORD = /^(true|false|on|off|yes|no|auto|none)?$/;

/** Values of the query and what follows "#" go; a router's path behind "#/" stays. */
export function maskUrl(url: string, last?: (url: string) => string): string {
  let u = url;
  if (/^\s*(data|blob):/i.test(u)) return u;
  const other = /^\s*(javascript|mailto|tel|sms|geo):/i.exec(u);
  if (other) return other[1]!.toLowerCase() + ":*";
  u = u.replace(/^(\s*(?:[a-z][a-z0-9+.-]*:)?\/\/)[^/?#]*@/i, "$1");
  const hash = u.indexOf("#");
  let fragment = hash < 0 ? "" : u.slice(hash + 1);
  if (hash >= 0) u = u.slice(0, hash);
  if (/^!?\//.test(fragment)) fragment = fragment.replace(/\?.*$/s, (q) => maskQuery(q));
  else if (fragment !== "") fragment = "*";
  u = u.replace(/\?.*$/s, (q) => maskQuery(q)) + (hash < 0 ? "" : "#" + fragment);
  try {
    return last ? String(last(u)) : u;
  } catch {
    return "*";
  }
}

/* "?a=1&b" -> "?a=*&*": a name without a value may be a value. */
function maskQuery(q: string): string {
  const rest = q.slice(1);
  return rest === "" ? q : "?" + rest.split("&").map((p) => { const at = p.indexOf("="); return at < 0 ? "*" : p.slice(0, at) + "=*"; }).join("&");
}

/** Addresses within a text: console lines. */
export const maskUrlsIn = (text: string, last?: (url: string) => string): string =>
  text.replace(/\b(?:https?|wss?):\/\/[^\s"'<>()]+/gi, (u) => maskUrl(u, last));

export interface Nodes {
  getNode(id: number): Node | null;
}

export class Masker {
  private keep: Set<string>;

  constructor(private set: Pick<Settings, "unmask" | "keepAttributes" | "maskUrl">, private nodes: Nodes) {
    this.keep = new Set(set.keepAttributes.map((k) => k.toLowerCase()));
  }

  url(u: string): string {
    return maskUrl(u, this.set.maskUrl);
  }

  /** Changes the event in place. Throws nothing that a page could cause: a node that is gone counts as masked. */
  event(e: RrEvent): void {
    const d = e.data;
    if (e.type === 4) d.href = this.url(String(d.href ?? ""));
    else if (e.type === 2) this.tree(d.node, "");
    else if (e.type === 3 && d.source === 0) this.mutation(d);
    else if (e.type === 3 && d.source === 5) {
      if (!this.open(d.id, true)) d.text = stars(String(d.text ?? ""));
    }
  }

  private mutation(d: any): void {
    for (const t of d.texts ?? []) if (typeof t.value === "string") t.value = this.text(t.value, t.id, this.parentTag(t.id));
    for (const a of d.attributes ?? []) this.attributes(a.attributes, a.id, this.tag(a.id), this.isSvg(a.id));
    for (const a of d.adds ?? []) this.tree(a.node, a.node?.type === 3 ? this.parentTag(a.node.id) : "");
  }

  private tree(n: Serialized, parent: string): void {
    const work: [Serialized, string][] = [[n, parent]]; // deep pages must not end the stack
    for (let top; (top = work.pop()) !== undefined;) {
      const [node, tag] = top;
      if (node.type === 2) this.attributes(node.attributes ?? {}, node.id, node.tagName ?? "", node.isSVG === true);
      else if (node.type >= 3 && typeof node.textContent === "string") node.textContent = this.text(node.textContent, node.id, tag);
      for (const child of node.childNodes ?? []) work.push([child, node.tagName ?? ""]);
    }
  }

  private text(value: string, id: number, parent: string): string {
    if (value.trim() === "" || parent === "style" || (parent === "script" && value === "SCRIPT_PLACEHOLDER")) return value;
    return this.open(id, parent === "textarea") ? value : stars(value);
  }

  private attributes(a: Attributes, id: number, tag: string, svg: boolean): void {
    let open: boolean | undefined;
    for (const [name, value] of Object.entries(a)) {
      const low = name.toLowerCase();
      if (typeof value !== "string" || value === "") continue;
      if (low === "srcdoc") a[name] = "";
      else if (low === "srcset" || low === "imagesrcset") a[name] = value.replace(/[?#][^\s,]*/g, "?*");
      else if (URLS.has(low)) a[name] = this.url(value);
      else if (low !== "value" && this.plain(low, value, tag, svg, a)) continue;
      else if (!(open ??= this.open(id, low === "value"))) a[name] = stars(value);
    }
  }

  private plain(name: string, value: string, tag: string, svg: boolean, all: Attributes): boolean {
    if (name.startsWith("rr_") || this.keep.has(name) || PLAIN.has(name) || ARIA.test(name)) return true;
    if (name.startsWith("data-")) return DATA.test(name) || WORD.test(value);
    if (name === "content") return META.test(String(all.name ?? ""));
    return svg && !/^(aria-|title$|alt$|label$|desc)/.test(name) && tag !== "title";
  }

  /** For rrweb, which masks inputs itself. */
  input(text: string, el: Element | null): string {
    return this.seen(el, true) ? text : stars(text);
  }

  private open(id: number, input: boolean): boolean {
    return this.seen(this.element(id), input);
  }

  /** Is it under an element that may be seen? */
  private seen(el: Element | null, input: boolean): boolean {
    if (this.set.unmask === "" || el === null) return false;
    if (input && (el as HTMLInputElement).type === "password" || el.getAttribute("data-rr-is-password") === "true") return false;
    try {
      while (el !== null) {
        if (el.closest(this.set.unmask) !== null) return true;
        const root: any = el.getRootNode();
        el = root.host ?? null; // out of a shadow tree
      }
    } catch { /* no selector */ }
    return false;
  }

  private element(id: number): Element | null {
    const n = this.nodes.getNode(id);
    if (n === null || n === undefined) return null;
    return n.nodeType === 1 ? (n as Element) : (n.parentElement ?? (n.parentNode as ShadowRoot | null)?.host ?? null);
  }

  private tag = (id: number): string => this.element(id)?.localName ?? "";
  private parentTag = (id: number): string => { const p = this.nodes.getNode(id)?.parentNode; return p?.nodeType === 1 ? (p as Element).localName : ""; };
  private isSvg = (id: number): boolean => this.element(id)?.namespaceURI === "http://www.w3.org/2000/svg";
}
