/*
 * SVG's <use> draws a copy of what it names, and copies hold copies: sixty of them can make a million. Where a page would grow past a limit,
 * the ones that copy other copies draw nothing. Icons, each used once for each place, are far below it.
 */
const SVG = "http://www.w3.org/2000/svg";
const COPIES_MAX = 20_000;
const FEW = 12;
const DEPTH_MAX = 60;

const target = (use: Element): Element | null => {
  const href = use.getAttribute("href") ?? use.getAttributeNS("http://www.w3.org/1999/xlink", "href") ?? use.getAttribute("xlink:href");
  return href?.startsWith("#") ? (use.ownerDocument.getElementById(href.slice(1)) ?? null) : null;
};

/* Elements that a copy of `e` has, copies in it counted; known ones are in `sizes`. */
function sizeOf(e: Element, sizes: Map<Element, number>, depth: number): number {
  const known = sizes.get(e);
  if (known !== undefined) return known;
  if (depth > DEPTH_MAX) return Infinity;
  sizes.set(e, Infinity); // one that holds itself
  let n = e.getElementsByTagName("*").length + 1;
  for (const u of [...(e.localName === "use" ? [e] : []), ...e.getElementsByTagNameNS(SVG, "use")]) {
    const of = target(u);
    if (of !== null && of !== e) n += sizeOf(of, sizes, depth + 1);
    if (n > COPIES_MAX) break;
  }
  sizes.set(e, n);
  return n;
}

const copies = (e: Element): boolean => e.localName === "use" || e.getElementsByTagNameNS(SVG, "use").length > 0;

export function tameUses(doc: Document): void {
  const uses = [...doc.getElementsByTagNameNS(SVG, "use")];
  if (uses.length >= FEW) {
    const sizes = new Map<Element, number>();
    let all = 0;
    for (const u of uses) {
      const of = target(u);
      if (of !== null) all += sizeOf(of, sizes, 0);
    }
    if (all > COPIES_MAX)
      for (const u of uses) {
        const of = target(u);
        if (of === null || !copies(of)) continue;
        u.removeAttribute("href");
        u.removeAttribute("xlink:href");
      }
  }
  for (const frame of doc.getElementsByTagName("iframe")) if (frame.contentDocument !== null) tameUses(frame.contentDocument);
}
