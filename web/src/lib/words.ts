/* How numbers and times are written, and how a reason is counted. Pure. */

/* Wide scripts count double (Han, kana, Hangul, full-width forms), as the server counts. */
export function reasonLength(s: string): number {
  let n = 0;
  for (const c of s.trim()) {
    const u = c.codePointAt(0) ?? 0;
    const wide = (u >= 0x1100 && u <= 0x115f) || (u >= 0x2e80 && u <= 0x303e) || (u >= 0x3041 && u <= 0x33ff) || (u >= 0x3400 && u <= 0x4dbf)
      || (u >= 0x4e00 && u <= 0x9fff) || (u >= 0xa000 && u <= 0xa4cf) || (u >= 0xac00 && u <= 0xd7a3) || (u >= 0xf900 && u <= 0xfaff)
      || (u >= 0xfe30 && u <= 0xfe6f) || (u >= 0xff00 && u <= 0xff60) || (u >= 0xffe0 && u <= 0xffe6) || (u >= 0x20000 && u <= 0x3fffd);
    n += wide ? 2 : 1;
  }
  return n;
}

/* 73 120 ms -> "1:13"; with hours "1:02:03". */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  const h = Math.floor(s / 3600);
  return h > 0 ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/* 5400 s -> "1 h 30 min". */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  if (s >= 3600) parts.push(`${Math.floor(s / 3600)} h`);
  if (s % 3600 >= 60) parts.push(`${Math.floor((s % 3600) / 60)} min`);
  if (s % 60 > 0 && s < 3600) parts.push(`${s % 60} s`);
  return parts.length === 0 ? "0 s" : parts.join(" ");
}

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export function when(time: string | null | undefined): string {
  return time ? day.format(new Date(time)) : "";
}

export function timeOfDay(time: string | number): string {
  return hour.format(new Date(time));
}

export function count(n: number): string {
  return new Intl.NumberFormat().format(n);
}

/* 1073741824 -> "1 GiB". */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i + 1 < units.length; i++) n /= 1024;
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 }).format(n)} ${units[i]}`;
}
