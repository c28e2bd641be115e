import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { t, texts, tOr } from "./texts";

const inner = /\b(keys?|grant(s|ed|ing)?|leas(e|es|ed|ing)|gates?|keepers?|vaults?)\b/i;

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(join(dir, e.name)) : /\.(tsx|html)$/.test(e.name) ? [join(dir, e.name)] : []);
}

describe("texts", () => {
  it.each(Object.entries(texts))("%s has none of the server's inner words", (_, value) => {
    expect(value).not.toMatch(inner);
  });
  it("would notice one", () => {
    for (const s of ["Your grant ended", "a Key", "leased", "the vault"]) expect(s).toMatch(inner);
    for (const s of ["Keyhole", "Keyboard shortcuts", "please", "keeps"]) expect(s).not.toMatch(inner);
  });
  it("are all in the catalogue: no page writes words of its own", () => {
    const found = sources(join(__dirname)).flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/>\s*([A-Z][a-z]+[^<>{}=;()]*)<\//g)].map((m) => `${file}: ${m[1]}`));
    expect(found).toEqual([]);
  });
  it("fill in what is given", () => {
    expect(t("wait.progress", { n: 1, need: 2 })).toBe("1 of 2 have agreed.");
    expect(tOr("code.no-such", "code.unknown")).toBe(texts["code.unknown"]);
  });
});
