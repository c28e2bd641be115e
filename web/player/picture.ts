/*
 * How large a recorded picture is, from its first bytes: a browser would say so only after it has unpacked it, and a few hundred bytes can unpack to
 * gigabytes. Null: none of the kinds that a canvas can be saved as (and GIF and BMP), or its size cannot be found.
 */
export interface Size { width: number; height: number }

const be16 = (b: Uint8Array, i: number): number => ((b[i] ?? 0) << 8) | (b[i + 1] ?? 0);
const le16 = (b: Uint8Array, i: number): number => (b[i] ?? 0) | ((b[i + 1] ?? 0) << 8);
const le24 = (b: Uint8Array, i: number): number => le16(b, i) | ((b[i + 2] ?? 0) << 16);
const be32 = (b: Uint8Array, i: number): number => be16(b, i) * 65536 + be16(b, i + 2);
const le32 = (b: Uint8Array, i: number): number => le16(b, i + 2) * 65536 + le16(b, i);
const at = (b: Uint8Array, i: number, text: string): boolean => [...text].every((c, k) => b[i + k] === c.charCodeAt(0));

/* Frame headers are SOF0 to SOF15 but DHT, JPG and DAC, which lie among them. */
function jpeg(b: Uint8Array): Size | null {
  for (let i = 2; i + 9 < b.length;) {
    if (b[i] !== 0xff) return null;
    const marker = b[i + 1] ?? 0;
    if (marker === 0xff) i++; // padding
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) return { height: be16(b, i + 5), width: be16(b, i + 7) };
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) i += 2;
    else if (marker === 0xd9 || marker === 0xda) return null; // the picture itself, and no frame header before it
    else i += 2 + Math.max(2, be16(b, i + 2));
  }
  return null;
}

function webp(b: Uint8Array): Size | null {
  if (at(b, 12, "VP8X")) return { width: le24(b, 24) + 1, height: le24(b, 27) + 1 };
  if (at(b, 12, "VP8L") && b[20] === 0x2f) return { width: (le16(b, 21) & 0x3fff) + 1, height: ((le24(b, 22) >> 6) & 0x3fff) + 1 };
  if (at(b, 12, "VP8 ") && b[23] === 0x9d && b[24] === 0x01 && b[25] === 0x2a) return { width: le16(b, 26) & 0x3fff, height: le16(b, 28) & 0x3fff };
  return null;
}

export function pictureSize(b: Uint8Array): Size | null {
  let size: Size | null = null;
  if (b.length < 26) return null;
  if (at(b, 1, "PNG\r\n\x1a\n") && at(b, 12, "IHDR")) size = { width: be32(b, 16), height: be32(b, 20) };
  else if (b[0] === 0xff && b[1] === 0xd8) size = jpeg(b);
  else if (at(b, 0, "RIFF") && at(b, 8, "WEBP")) size = webp(b);
  else if (at(b, 0, "GIF8")) size = { width: le16(b, 6), height: le16(b, 8) };
  else if (at(b, 0, "BM") && le32(b, 14) >= 40) size = { width: le32(b, 18), height: Math.abs(le32(b, 22) | 0) };
  return size !== null && size.width > 0 && size.height > 0 ? size : null;
}
