import { describe, expect, it } from "vitest";
import { sseParser, type SseEvent } from "./sse";

function parse(pieces: string[]): SseEvent[] {
  const out: SseEvent[] = [];
  const feed = sseParser((e) => out.push(e));
  for (const p of pieces) feed(p);
  return out;
}

const cases: [string, string, SseEvent[]][] = [
  ["one", "data: a\n\n", [{ event: "message", data: "a", id: null }]],
  ["named, with id", "event: end\nid: 7\ndata: {}\n\n", [{ event: "end", data: "{}", id: "7" }]],
  ["several data lines", "data: a\ndata:b\n\n", [{ event: "message", data: "a\nb", id: null }]],
  ["comments and retry", ": hi\nretry: 2000\n\ndata: x\n\n", [{ event: "message", data: "x", id: null }]],
  ["CRLF", "id: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [{ event: "message", data: "a", id: "1" }, { event: "message", data: "b", id: null }]],
  ["byte order mark", "\ufeffdata: a\n\n", [{ event: "message", data: "a", id: null }]],
  ["cut before the empty line", "data: a\n", []],
  ["no data", "event: x\n\n", []],
];

describe("sse", () => {
  it.each(cases)("%s", (_, text, want) => {
    expect(parse([text])).toEqual(want);
    expect(parse([...text])).toEqual(want); // one character at a time
  });
});
