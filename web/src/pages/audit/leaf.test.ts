import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { texts } from "../../texts";
import { readLeaf, sayLeaf } from "./leaf";

it.each([
  ['{"type":"request.created","outcome":"ok"}', "asked for access"],
  ['{"type":"replay.leased","outcome":"ok","n":{"from_ms":0,"to_ms":30000}}', "was shown 0:00 to 0:30"],
  ['{"type":"replay.leased","outcome":"manifest","n":{"manifest":1}}', "was shown what there is"],
  ['{"type":"replay.leased","outcome":"ok","n":{"from_seq":10,"live_s":30,"max_bytes":4194304}}', "was shown what happened, as it happened"],
  ['{"type":"recording.sealed","outcome":"recorder"}', "recording finished"],
  ['{"type":"recording.sealed","outcome":"vanished"}', "recording finished (vanished)"],
  ['{"type":"replay.settled","outcome":"ok","n":{"from_seq":0,"to_seq":9}}', "had been sent all that"],
  ['{"type":"request.voted","outcome":"approve"}', "decided on a request (approve)"],
  ['{"type":"replay.refused","outcome":"key-expired"}', "was refused (key-expired)"],
  ['{"type":"something.new"}', "something.new"],
  ["not json", ""],
  ["[]", ""],
])("%s", (raw, want) => {
  expect(sayLeaf(readLeaf({ log: "system", index: 0, raw }))).toBe(want);
});

it("has words for every type of record", () => {
  const types = [...readFileSync(join(__dirname, "../../../../src/format/leaf.h"), "utf8").matchAll(/^\s*X\([A-Z_]+, "([a-z.-]+)"\)/gm)].map((m) => m[1] ?? "");
  expect(types.length).toBeGreaterThan(80);
  expect(types.filter((x) => !(`audit.event.${x}` in texts))).toEqual([]);
});
