/* Written by scripts/clean-table.mjs from src/codec/sanitize_table.h and sanitize.h; not edited. */

export const TAGS = new Map<string, "DROP" | "META" | "FRAME" | "STYLE" | "LINK" | "IMAGE" | "REF" | "ANIMATE">([
  ["script", "DROP"],
  ["base", "DROP"],
  ["object", "DROP"],
  ["embed", "DROP"],
  ["applet", "DROP"],
  ["portal", "DROP"],
  ["fencedframe", "DROP"],
  ["webview", "DROP"],
  ["math", "DROP"],
  ["annotation-xml", "DROP"],
  ["constructor", "DROP"],
  ["hasownproperty", "DROP"],
  ["isprototypeof", "DROP"],
  ["propertyisenumerable", "DROP"],
  ["tolocalestring", "DROP"],
  ["tostring", "DROP"],
  ["valueof", "DROP"],
  ["meta", "META"],
  ["iframe", "FRAME"],
  ["frame", "FRAME"],
  ["style", "STYLE"],
  ["link", "LINK"],
  ["image", "IMAGE"],
  ["use", "REF"],
  ["foreignobject", "REF"],
  ["feimage", "REF"],
  ["pattern", "REF"],
  ["lineargradient", "REF"],
  ["radialgradient", "REF"],
  ["meshgradient", "REF"],
  ["filter", "REF"],
  ["mpath", "REF"],
  ["textpath", "REF"],
  ["tref", "REF"],
  ["cursor", "REF"],
  ["glyphref", "REF"],
  ["altglyph", "REF"],
  ["font-face-uri", "REF"],
  ["color-profile", "REF"],
  ["animate", "ANIMATE"],
  ["animatecolor", "ANIMATE"],
  ["animatemotion", "ANIMATE"],
  ["animatetransform", "ANIMATE"],
  ["set", "ANIMATE"],
  ["discard", "ANIMATE"],
]);

export const ATTRIBUTES = new Map<string, "DROP" | "SRC" | "IMAGE" | "HREF" | "ADDRESS" | "CSS" | "VALUE" | "TARGET">([
  ["srcdoc", "DROP"],
  ["srcset", "DROP"],
  ["imagesrcset", "DROP"],
  ["ping", "DROP"],
  ["action", "DROP"],
  ["formaction", "DROP"],
  ["http-equiv", "DROP"],
  ["attributionsrc", "DROP"],
  ["manifest", "DROP"],
  ["dynsrc", "DROP"],
  ["lowsrc", "DROP"],
  ["autofocus", "DROP"],
  ["accesskey", "DROP"],
  ["__proto__", "DROP"],
  ["src", "SRC"],
  ["poster", "SRC"],
  ["background", "SRC"],
  ["rr_dataurl", "IMAGE"],
  ["href", "HREF"],
  ["cite", "ADDRESS"],
  ["style", "CSS"],
  ["_csstext", "CSS"],
  ["fill", "CSS"],
  ["stroke", "CSS"],
  ["filter", "CSS"],
  ["mask", "CSS"],
  ["clip-path", "CSS"],
  ["cursor", "CSS"],
  ["marker", "CSS"],
  ["marker-start", "CSS"],
  ["marker-mid", "CSS"],
  ["marker-end", "CSS"],
  ["from", "VALUE"],
  ["to", "VALUE"],
  ["by", "VALUE"],
  ["values", "VALUE"],
  ["attributename", "TARGET"],
]);

export const SCHEMES = new Map<string, "BAD" | "DATA">([
  ["javascript:", "BAD"],
  ["vbscript:", "BAD"],
  ["livescript:", "BAD"],
  ["mocha:", "BAD"],
  ["data:", "DATA"],
]);

export const DATA = new Map<string, "IMAGE" | "MEDIA" | "FONT" | "EMPTY">([
  ["image/", "IMAGE"],
  ["audio/", "MEDIA"],
  ["video/", "MEDIA"],
  ["font/", "FONT"],
  ["application/font", "FONT"],
  ["application/x-font", "FONT"],
  ["application/vnd.ms-fontobject", "FONT"],
  ["application/octet-stream", "FONT"],
  [",", "EMPTY"],
]);

export const CSS_FUNCTIONS = new Map<string, "FETCH" | "RUN">([
  ["image-set", "FETCH"],
  ["src", "FETCH"],
  ["expression", "RUN"],
]);

export const CSS_PROPERTIES = new Map<string, "DROP">([
  ["-moz-binding", "DROP"],
  ["behavior", "DROP"],
]);

export const VERSION = 1;
export const NODES_MAX = 500000;
export const DEPTH_MAX = 128;
export const TEXT_MAX = 4194304;
export const CSS_MAX = 8388608;
export const MOVED = "rrweb-original-";
export const CSS_NOTHING = "url(data:,)";
