/*
 * The server's sanitiser (C) and the player's (TypeScript) take out the same: over every hostile recording of ours and every real one
 * that is there, event by event, with the state that each keeps. And cleaning what is clean changes nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { recordings } from "../../tests/hostile/make.mjs";
import { createCleaner } from "./clean";
import { attributeKind, tagKind } from "./names";

const program = join(process.env["KEYHOLE_BUILD"] ?? join(__dirname, "../../build"), "tests/sanitize");
const shared = join(process.env["KEYHOLE_SHARED"] ?? join(__dirname, "../../../shared"), "data/rrweb");

interface Recording { name: string; events: unknown[] }

function real(dir = shared): Recording[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name);
    if (e.isDirectory()) return real(path);
    if (!/\.json$/.test(e.name)) return [];
    try {
      const v = JSON.parse(readFileSync(path, "utf8")) as unknown;
      const list = Array.isArray(v) ? v : (v as { events?: unknown }).events;
      return Array.isArray(list) && list.every((x) => typeof x === "object" && x !== null && Number.isInteger((x as { type?: unknown }).type)) ? [{ name: path.slice(shared.length), events: list as unknown[] }] : [];
    } catch {
      return [];
    }
  });
}

/* All of them through one process; an empty line ends a recording. */
function server(list: Recording[]): unknown[][] {
  const input = list.map((r) => r.events.map((e) => JSON.stringify(e) + "\n").join("")).join("\n");
  const run = spawnSync(program, { input, encoding: "utf8", maxBuffer: 1 << 30 });
  expect(run.status).toBe(0);
  return run.stdout.split(/^\n/m).map((part) => part.split("\n").filter(Boolean).map((line) => JSON.parse(line) as unknown));
}

function player(events: unknown[]): unknown[] {
  const clean = createCleaner();
  return events.map((e) => {
    try {
      return clean(structuredClone(e));
    } catch (x) {
      return { refused: (x as Error).message };
    }
  });
}

/* Where a clean recording differs from the one that came, in ways that the list does not name. */
function unnamed(a: unknown, b: unknown, at = ""): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) return a.flatMap((x, i) => unnamed(x, b[i], `${at}[${i}]`));
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null || Array.isArray(a) || Array.isArray(b)) return [at];
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  if (/attributes$/.test(at)) {
    const gone = Object.keys(x).filter((k) => x[k] !== y[k] && attributeKind(k) === "TEXT" && JSON.stringify(x[k]) !== JSON.stringify(y[k]));
    const come = Object.keys(y).filter((k) => !(k in x) && !k.startsWith("rrweb-original-"));
    return [...gone, ...come].map((k) => `${at}.${k}`);
  }
  const dropped = typeof x["tagName"] === "string" && y["tagName"] === "noscript" && x["tagName"] !== "noscript" && ["DROP", "META"].includes(tagKind(x["tagName"]));
  return [...new Set([...Object.keys(x), ...Object.keys(y)])].flatMap((k) => {
    if (dropped && (k === "tagName" || k === "attributes")) return [];
    if (x[k] === undefined && ((k === "attributes" && JSON.stringify(y[k]) === "{}") || (k === "childNodes" && JSON.stringify(y[k]) === "[]"))) return [];
    return unnamed(x[k], y[k], `${at}.${k}`);
  });
}

const plain = (v: unknown): unknown => JSON.parse(JSON.stringify(v)) as unknown; // what never was, and what is undefined, are one

describe.skipIf(!existsSync(program))("the server's list and the player's", () => {
  for (const [what, list] of [["hostile", recordings as Recording[]], ["real", real()]] as const) {
    it.skipIf(list.length === 0)(`agree on ${what} recordings (${list.length})`, () => {
      const theirs = server(list);
      expect(theirs).toHaveLength(list.length);
      let changed = 0;
      list.forEach((r, i) => {
        const clean = theirs[i] ?? [];
        expect(clean, r.name).toHaveLength(r.events.length);
        expect(plain(player(r.events)), r.name).toEqual(plain(clean));
        expect(plain(player(clean)), `${r.name}, once more`).toEqual(plain(clean));
        if (what === "real") expect(unnamed(plain(r.events), plain(clean)), r.name).toEqual([]);
        if (JSON.stringify(plain(r.events)) !== JSON.stringify(plain(clean))) changed++;
      });
      expect(server(list.map((r, i) => ({ name: r.name, events: theirs[i] ?? [] })))).toEqual(theirs);
      expect(changed).toBeGreaterThan(list.length / 2);
    }, 60_000);
  }
});
