import { describe, expect, it } from "vitest";
import { createCleaner } from "./clean";
import { cleanCss } from "./css";

const cleanEvent = (e: unknown) => createCleaner()(e);

const el = (tagName: string, attributes: object = {}, childNodes: object[] = []) => ({ type: 2, id: 1, tagName, attributes, childNodes });
const doc = (node: object) => ({ type: 0, id: 100, childNodes: [node] });
const full = (node: object) => {
  const e = cleanEvent({ type: 2, timestamp: 1, data: { node: doc(node), initialOffset: { top: 0, left: 0 } } }) as { data: { node: { childNodes: unknown[] } } };
  return e.data.node.childNodes[0];
};
const out = (node: object) => JSON.stringify(full(node));

describe("elements", () => {
  it.each(["script", "SCRIPT", "object", "embed", "applet", "portal", "base", "math"])("%s becomes an empty place", (tag) => {
    const n = full(el(tag, { src: "https://evil.example/x" }, [{ type: 3, id: 2, textContent: "t" }])) as { id: number; tagName: string; attributes: object; childNodes: object[] };
    expect(n.tagName).toBe("noscript");
    expect(n.attributes).toEqual({});
    expect(n.id).toBe(1);
    expect(n.childNodes).toHaveLength(1); // numbers of what is below stay valid
  });
  it("drops meta refresh and links that are not the sheet itself", () => {
    expect(out(el("meta", { "http-equiv": "refresh", content: "0;url=https://evil.example" }))).not.toContain("evil");
    expect(full(el("link", { rel: "prefetch", href: "https://x.example" }))).toMatchObject({ attributes: { rel: "prefetch", "rrweb-original-href": "https://x.example" } });
    expect(full(el("link", { _cssText: "a{color:red}", href: "https://x.example/a.css" }))).toMatchObject({ attributes: { _cssText: "a{color:red}", "rrweb-original-href": "https://x.example/a.css" } });
  });
});

describe("attributes", () => {
  it.each<[string, object, object]>([
    ["img", { onerror: "evil()" }, {}], ["img", { OnLoad: "evil()" }, {}], ["a", { href: "javascript:evil()" }, { href: "#" }], ["a", { href: " \tjava\nscript:evil()" }, { href: "#" }],
    ["a", { href: "vbscript:evil" }, { href: "#" }], ["a", { href: "data:text/html,evil" }, { href: "#" }], ["a", { ping: "https://evil.example" }, {}], ["form", { action: "https://evil.example" }, {}],
    ["iframe", { src: "https://x.example" }, { "rrweb-original-src": "https://x.example" }], ["iframe", { srcdoc: "<b>evil" }, {}], ["img", { srcset: "https://evil.example 2x" }, {}], ["button", { formaction: "evil" }, {}],
    ["use", { href: "https://x.example#x" }, { "rrweb-original-href": "https://x.example#x" }], ["use", { href: "#x" }, { href: "#x" }], ["animate", { to: "javascript:evil()", attributeName: "href" }, {}],
    ["div", { style: "background:url(https://evil.example)" }, { style: "background:url(data:,)" }], ["div", { style: "background:u\\72l(https://evil.example)" }, { style: "background:url(data:,)" }],
    ["body", { background: "https://x.example" }, { "rrweb-original-background": "https://x.example" }], ["img", { src: ["https://evil.example"] }, {}], ["img", { src: 7 }, {}], ["a", { title: { a: 1 } }, {}],
    ["img", { rr_dataURL: "https://evil.example" }, {}], ["img", { src: "data:image/svg+xml,<svg/>" }, { src: "data:image/svg+xml,<svg/>" }],
  ])("%s %o", (tag, a, want) => {
    expect(full(el(tag, a))).toEqual(el(tag, want));
  });
  it("of later changes follow the element that they change", () => {
    const clean = createCleaner();
    clean({ type: 2, data: { node: doc(el("div", {}, [{ type: 2, id: 7, tagName: "a", attributes: {}, childNodes: [] }, { type: 2, id: 8, tagName: "iframe", attributes: {}, childNodes: [] }, { type: 2, id: 9, tagName: "use", attributes: {}, childNodes: [] }])) } });
    const later = clean({ type: 3, data: { source: 0, attributes: [7, 8, 9].map((id) => ({ id, attributes: { href: "https://x.example/", src: "data:image/png;base64,AA", title: "t" } })) } });
    expect((later["data"] as { attributes: { attributes: object }[] }).attributes.map((a) => a.attributes)).toEqual([
      { href: "https://x.example/", src: "data:image/png;base64,AA", title: "t" },
      { href: "https://x.example/", src: null, "rrweb-original-src": "data:image/png;base64,AA", title: "t" },
      { href: null, "rrweb-original-href": "https://x.example/", src: "data:image/png;base64,AA", title: "t" },
    ]);
  });
  it("that would be fetched stay under another name", () => {
    for (const tag of ["img", "video", "audio", "input", "source"]) expect(full(el(tag, { src: "https://x.example/", poster: "//x.example" }))).toEqual(el(tag, { "rrweb-original-src": "https://x.example/", "rrweb-original-poster": "//x.example" }));
  });
  it("keeps what is harmless", () => {
    const keep = el("a", { href: "https://shop.example/cart", class: "x", style: "color: red", title: "on sale", "data-x": "1" });
    expect(full(structuredClone(keep))).toEqual(keep);
    expect(out(el("img", { src: "data:image/png;base64,AA" }))).toContain("base64,AA");
  });
});

describe("css", () => {
  it.each([
    ["@import url(https://e.example/a.css); a{b:c}", "  a{b:c}"],
    ["a{background:url('https://e.example/?a')}", "a{background:url(data:,)}"],
    ["a{background:url( //e.example )}", "a{background:url(data:,)}"],
    ["a{background:url(data:image/png;base64,AA)}", "a{background:url(data:image/png;base64,AA)}"],
    ["a{fill:url(#g)}", "a{fill:url(#g)}"],
    ["a:before{content:'\\201C'}", "a:before{content:'\\201C'}"],
    ["@\\69 mport url(//e); a{b:c}", "  a{b:c}"],
    ["a{width:expression(alert(1))}", "a{width:none}"],
    ["a{b:image-set('//e' 1x)}", "a{b:url(data:,)}"],
    ["@im@import x;port '//e';", "@im port '//e';"],
    ["a{content:'@import x; url(//e)'}/* url(//e) */", "a{content:'@import x; url(//e)'}/* url(//e) */"],
    ["@namespace svg url(http://www.w3.org/2000/svg);", "@namespace svg url(http://www.w3.org/2000/svg);"],
    ["a{behavior:url(#x);b:c}", "a{ b:c}"],
  ])("%s", (css, want) => {
    expect(cleanCss(css)).toBe(want);
  });
  it("inside style elements, rules and declarations", () => {
    expect(out(el("style", {}, [{ type: 3, id: 3, textContent: "@import 'https://evil.example';" }]))).not.toContain("evil");
    expect(JSON.stringify(cleanEvent({ type: 3, data: { source: 8, adds: [{ rule: "@import url(evil)" }] } }))).not.toContain("evil");
    expect(JSON.stringify(cleanEvent({ type: 3, data: { source: 13, set: { property: "background", value: "url(//evil)" } } }))).not.toContain("evil");
    expect(JSON.stringify(cleanEvent({ type: 3, data: { source: 15, styles: [{ styleId: 1, rules: [{ rule: "a{background:url(//evil)}" }] }] } }))).not.toContain("evil");
    expect(JSON.stringify(cleanEvent({ type: 3, data: { source: 0, adds: [{ parentId: 1, node: el("script", { src: "evil" }) }], attributes: [{ id: 1, attributes: { onclick: "evil" } }] } }))).not.toContain("evil");
  });
});

it.each([[null], ["text"], [7], [[]], [{ type: 2 }], [{ type: 2, data: null }], [{ type: 3, data: { source: 0, adds: 7 } }]])("survives %o", (e) => {
  expect(() => cleanEvent(e)).not.toThrow();
});
