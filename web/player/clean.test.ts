import { describe, expect, it } from "vitest";
import { cleanCss, createCleaner } from "./clean";

const cleanEvent = (e: unknown) => createCleaner()(e);

const el = (tagName: string, attributes: object = {}, childNodes: object[] = []) => ({ type: 2, id: 1, tagName, attributes, childNodes });
const full = (node: object) => cleanEvent({ type: 2, timestamp: 1, data: { node, initialOffset: { top: 0, left: 0 } } });
const out = (node: object) => JSON.stringify(full(node));

describe("elements", () => {
  it.each(["script", "SCRIPT", "object", "embed", "applet", "portal", "base", "math"])("%s becomes an empty place", (tag) => {
    const e = full(el(tag, { src: "https://evil.example/x" }, [{ type: 3, id: 2, textContent: "t" }])) as { data: { node: { id: number; tagName: string; attributes: object; childNodes: object[] } } };
    expect(e.data.node.tagName).toBe("noscript");
    expect(e.data.node.attributes).toEqual({});
    expect(e.data.node.id).toBe(1);
    expect(e.data.node.childNodes).toHaveLength(1); // numbers of what is below stay valid
  });
  it("drops meta refresh and links that are not the sheet itself", () => {
    expect(out(el("meta", { "http-equiv": "refresh", content: "0;url=https://evil.example" }))).not.toContain("evil");
    expect(out(el("link", { rel: "prefetch", href: "https://evil.example" }))).not.toContain("evil");
    const sheet = out(el("link", { _cssText: "a{color:red}", href: "https://x.example/a.css" }));
    expect(sheet).toContain("a{color:red}");
    expect(sheet).not.toContain("x.example");
  });
});

describe("attributes", () => {
  it.each<[string, object]>([
    ["img", { onerror: "evil()" }], ["img", { OnLoad: "evil()" }], ["a", { href: "javascript:evil()" }], ["a", { href: " \tjava\nscript:evil()" }],
    ["a", { href: "vbscript:evil" }], ["a", { href: "data:text/html,evil" }], ["a", { ping: "https://evil.example" }], ["form", { action: "https://evil.example" }],
    ["iframe", { src: "https://evil.example" }], ["iframe", { srcdoc: "<b>evil" }], ["img", { srcset: "https://evil.example 2x" }], ["button", { formaction: "evil" }],
    ["use", { href: "https://evil.example#x" }], ["animate", { to: "javascript:evil()", attributeName: "href" }], ["set", { values: "evil" }],
    ["div", { style: "background:url(https://evil.example)" }], ["div", { style: "background:u\\72l(https://evil.example)" }], ["body", { background: "https://evil.example" }],
    ["img", { src: "data:image/svg+xml,evil" }], ["object", { data: "evil" }],
  ])("%s %o", (tag, a) => {
    expect(out(el(tag, a))).not.toContain("evil");
  });
  it("of later changes follow the element that they change", () => {
    const clean = createCleaner();
    clean({ type: 2, data: { node: el("div", {}, [{ type: 2, id: 7, tagName: "a", attributes: {}, childNodes: [] }, { type: 2, id: 8, tagName: "iframe", attributes: {}, childNodes: [] }]) } });
    const later = clean({ type: 3, data: { source: 0, attributes: [7, 8, 9].map((id) => ({ id, attributes: { href: "https://x.example/", src: "https://x.example/", title: "t" } })) } });
    expect((later["data"] as { attributes: { attributes: object }[] }).attributes.map((a) => Object.keys(a.attributes))).toEqual([["href", "src", "title"], ["title"], ["title"]]);
  });
  it("drops what would be fetched from elsewhere", () => {
    for (const tag of ["img", "video", "audio", "input", "source", "image"]) expect(out(el(tag, { src: "https://x.example/", poster: "//x.example" }))).not.toContain("x.example");
  });
  it("keeps what is harmless", () => {
    const keep = el("a", { href: "https://shop.example/cart", class: "x", style: "color: red", title: "on sale", "data-x": "1" });
    expect(full(structuredClone(keep))).toMatchObject({ data: { node: keep } });
    expect(out(el("img", { src: "data:image/png;base64,AA" }))).toContain("base64,AA");
  });
});

describe("css", () => {
  it.each([
    ["@import url(https://e.example/a.css); a{b:c}", " a{b:c}"],
    ["a{background:url('https://e.example/?a')}", "a{background:none}"],
    ["a{background:url( //e.example )}", "a{background:none}"],
    ["a{background:url(data:image/png;base64,AA)}", "a{background:url(data:image/png;base64,AA)}"],
    ["a{fill:url(#g)}", "a{fill:url(#g)}"],
    ["a:before{content:'\\201C'}", "a:before{content:'\\201C'}"],
    ["@\\69 mport url(//e); a{b:c}", " a{b:c}"],
    ["a{width:expression(alert(1))}", "a{width:alert(1))}"],
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
