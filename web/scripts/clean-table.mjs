// player/table.ts from src/codec/sanitize_table.h: what the server takes out of recorded pages and what the player takes out are one list.
//   node scripts/clean-table.mjs [--check]
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL("../", import.meta.url);
const header = readFileSync(new URL("../src/codec/sanitize_table.h", here), "utf8");
const limits = readFileSync(new URL("../src/codec/sanitize.h", here), "utf8");

const out = ["/* Written by scripts/clean-table.mjs from src/codec/sanitize_table.h and sanitize.h; not edited. */", ""];
for (const [, name, body] of header.matchAll(/#define SANITIZE_(\w+)\(X\)((?:[^\n]*\\\n)*[^\n]*\n)/g)) {
  const rows = [...body.matchAll(/X\("([^"]+)", (\w+)\)/g)].map(([, word, kind]) => `  [${JSON.stringify(word)}, ${JSON.stringify(kind)}],`);
  if (rows.length === 0) throw new Error(`SANITIZE_${name}: no rows`);
  const kinds = [...new Set([...body.matchAll(/X\("[^"]+", (\w+)\)/g)].map((m) => JSON.stringify(m[1])))];
  out.push(`export const ${name} = new Map<string, ${kinds.join(" | ")}>([`, ...rows, "]);", "");
}
const number = (name) => {
  const m = new RegExp(`#define SANITIZE_${name}\\s+\\(?(\\d+)u?(?: (<<|\\*) (\\d+))?\\)?`).exec(limits);
  if (m === null) throw new Error(`SANITIZE_${name}: not found`);
  const [, a, op, b] = m;
  return op === "<<" ? Number(a) * 2 ** Number(b) : op === "*" ? Number(a) * Number(b) : Number(a);
};
for (const name of ["VERSION", "NODES_MAX", "DEPTH_MAX", "TEXT_MAX", "CSS_MAX"]) out.push(`export const ${name} = ${number(name)};`);
for (const name of ["MOVED", "CSS_NOTHING"]) out.push(`export const ${name} = ${JSON.stringify(new RegExp(`#define SANITIZE_${name}\\s+"([^"]+)"`).exec(header)[1])};`);
out.push("");

const file = new URL("player/table.ts", here);
const text = out.join("\n");
if (process.argv.includes("--check")) {
  let old = "";
  try { old = readFileSync(file, "utf8"); } catch { /* not there yet */ }
  if (old !== text) {
    console.error("player/table.ts is not what src/codec/sanitize_table.h says: node scripts/clean-table.mjs");
    process.exit(1);
  }
} else {
  writeFileSync(file, text);
}
