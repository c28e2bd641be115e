// Writes src/api/types.ts from docs/api/openapi.yaml; with --check it fails when the file is not what would be written.
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { parse } from "yaml";

const here = new URL("..", import.meta.url);
const contract = parse(readFileSync(new URL("../docs/api/openapi.yaml", here), "utf8"), { merge: true });

const quote = (v) => JSON.stringify(v);
const name = (k) => (/^[A-Za-z_]\w*$/.test(k) ? k : quote(k));

function type(s, depth) {
  if (s === undefined || s === true || Object.keys(s).length === 0) return "unknown";
  if (s.$ref) return s.$ref.split("/").at(-1);
  if (s.const !== undefined) return quote(s.const);
  if (s.enum) return s.enum.map(quote).join(" | ");
  if (s.allOf) return s.allOf.map((x) => type(x, depth)).join(" & ");
  if (s.oneOf && !s.properties) return s.oneOf.map((x) => type(x, depth)).join(" | ");
  if (Array.isArray(s.type)) return s.type.map((t) => type({ ...s, type: t }, depth)).join(" | ");
  switch (s.type) {
    case "null": return "null";
    case "string": return "string";
    case "boolean": return "boolean";
    case "integer": case "number": return "number";
    case "array": {
      const of = type(s.items, depth);
      return /[|&]/.test(of) ? `(${of})[]` : `${of}[]`;
    }
    default: return object(s, depth);
  }
}

function object(s, depth) {
  const pad = "  ".repeat(depth + 1);
  const rows = Object.entries(s.properties ?? {}).map(([k, v]) => {
    const doc = v.description ? `${pad}/** ${v.description.trim().replace(/\s+/g, " ").replaceAll("*/", "* /")} */\n` : "";
    return `${doc}${pad}${name(k)}${s.required?.includes(k) ? "" : "?"}: ${type(v, depth + 1)};`;
  });
  if (rows.length === 0)
    return typeof s.additionalProperties === "object" ? `Record<string, ${type(s.additionalProperties, depth)}>` : "Record<string, unknown>";
  return `{\n${rows.join("\n")}\n${"  ".repeat(depth)}}`;
}

const out = ["/* Written by scripts/api-types.mjs from docs/api/openapi.yaml; not edited. */", ""];
for (const [k, s] of Object.entries(contract.components.schemas)) {
  if (k === "Page") continue;
  out.push(`export type ${k} = ${type(s, 0)};`, "");
}
out.push("export type Page<T> = { items: T[]; cursor: string | null };", "");

const file = new URL("src/api/types.ts", here);
const text = out.join("\n");
if (process.argv.includes("--check")) {
  let old = "";
  try { old = readFileSync(file, "utf8"); } catch { /* not there yet */ }
  if (old !== text) {
    console.error("src/api/types.ts is not what the contract says: npm run types");
    process.exit(1);
  }
} else {
  mkdirSync(new URL("src/api/", here), { recursive: true });
  writeFileSync(file, text);
}
