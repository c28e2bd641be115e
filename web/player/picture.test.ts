import { describe, expect, it } from "vitest";
import { pictureSize } from "./picture";

const bytes = (hex: string, whole = 40): Uint8Array => {
  const b = Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (x) => Number.parseInt(x, 16));
  const out = new Uint8Array(Math.max(whole, b.length));
  out.set(b);
  return out;
};

describe("the size of a picture, before it is unpacked", () => {
  it.each([
    ["PNG", "89504e470d0a1a0a 0000000d 49484452 00007530 00000010", [30000, 16]],
    ["JPEG, baseline behind a table and a comment", "ffd8 ffe0 0004 0000 fffe 0003 41 ffc0 0011 08 0120 0280 03", [640, 288]],
    ["JPEG, progressive, with padding between", "ffd8 ffdb 0003 00 ffffff c2 0011 08 0001 ffff 03", [65535, 1]],
    ["WebP, lossy", "52494646 00000000 57454250 56503820 00000000 000000 9d012a 8002 2001", [640, 288]],
    ["WebP, lossless", "52494646 00000000 57454250 5650384c 00000000 2f 7fc2 4700", [640, 288]],
    ["WebP, extended", "52494646 00000000 57454250 56503858 0a000000 00000000 7f0200 1f0100", [640, 288]],
    ["GIF", "474946383961 8002 2001", [640, 288]],
    ["BMP, from the top", "424d 00000000 00000000 36000000 28000000 80020000 e0feffff", [640, 288]],
  ])("%s", (_, hex, [width, height]) => {
    expect(pictureSize(bytes(hex))).toEqual({ width, height });
  });

  it.each([
    ["nothing", ""],
    ["text", "68656c6c6f"],
    ["a PNG without its first chunk", "89504e470d0a1a0a 0000000d 49444154 00000010 00000010"],
    ["a PNG of no width", "89504e470d0a1a0a 0000000d 49484452 00000000 00000010"],
    ["a JPEG whose picture begins before its size", "ffd8 ffda 0008 00 ffc0 0011 08 0120 0280"],
    ["a JPEG that only has tables", "ffd8 ffc4 0004 0000 ffcc 0004 0000 ffc8 0004 0000"],
    ["a WebP of another kind", "52494646 00000000 57454250 414c5048 00000000 2f 7fc2 4700"],
    ["an old BMP", "424d 00000000 00000000 1a000000 0c000000 80022001"],
    ["AVIF", "0000001c 66747970 61766966 00000000"],
  ])("none: %s", (_, hex) => {
    expect(pictureSize(bytes(hex))).toBeNull();
  });

  it("ends with the bytes, whatever they say", () => {
    expect(pictureSize(bytes("ffd8 ffe0 ffff"))).toBeNull();
    for (let n = 0; n < 26; n++) expect(pictureSize(bytes("ffd8 ffc0 0011 08 0120 0280 03").slice(0, n))).toBeNull();
  });
});
