/* What the table says of a name or an address, as src/codec/sanitize_name.c. Letters are compared as ASCII, in any case. */
import { ATTRIBUTES, CSS_FUNCTIONS, CSS_PROPERTIES, DATA, MOVED, SCHEMES, TAGS } from "./table";

type Kinds<M> = M extends Map<string, infer K> ? K : never;
export type TagKind = Kinds<typeof TAGS> | "PLAIN";
export type AttributeKind = Kinds<typeof ATTRIBUTES> | "TEXT";
export type Address = "EMPTY" | "PLACE" | "OWN" | "BAD" | "OTHER";

export const lower = (s: string): string => s.replace(/[A-Z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 32));
const local = (name: string): string => name.slice(name.lastIndexOf(":") + 1);

export const tagKind = (name: string): TagKind => TAGS.get(lower(local(name))) ?? "PLAIN";

export function attributeKind(name: string): AttributeKind {
  if (lower(name).startsWith(MOVED) && name.length > MOVED.length) return "TEXT"; // names no address any more
  const n = lower(local(name));
  return /^on[a-z]/.test(n) ? "DROP" : (ATTRIBUTES.get(n) ?? "TEXT");
}

const BLANK = /[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028-\u202f\ufeff]+/g;
const HEAD = 64;

const scheme = (head: string) => [...SCHEMES].find(([s]) => head.startsWith(s));

/* What runs is looked for without any blanks, what is harmless as a browser would read it: both err on the safe side. */
export function addressKind(value: string): Address {
  const bare = lower(value.replace(BLANK, "").slice(0, 32));
  const head = lower(value.replace(/^[\u0000- ]+/, "").replace(/[\t\n\r]+/g, "").slice(0, HEAD));
  if (scheme(bare)?.[1] === "BAD") return "BAD";
  if (head === "") return "EMPTY";
  if (head.startsWith("#")) return "PLACE";
  const found = scheme(head);
  if (found?.[1] === "DATA" && [...DATA.keys()].some((t) => head.startsWith(t, found[0].length))) return "OWN";
  if (scheme(bare)?.[1] === "DATA") return "BAD";
  return head.startsWith("blob:") ? "OWN" : "OTHER";
}

export const cssFetches = (name: string): boolean => CSS_FUNCTIONS.get(name) === "FETCH" || name.endsWith("image-set");
export const cssRuns = (name: string): boolean => CSS_FUNCTIONS.get(name) === "RUN";
export const cssProperty = (name: string): boolean => CSS_PROPERTIES.has(lower(name));
