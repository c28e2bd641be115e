/*
 * What somebody writes for "the pages of shop.example.org" as the origin that browsers send: scheme://host[:port], in lower case, without path or
 * default port; "*." before the host stands for every host below. Null: no such thing can be. The server says the last word.
 */
export function originOf(written: string): string | null {
  const m = /^(?:(https?):\/\/)?(\*\.)?((?:\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]*]+)(?::\d{1,5})?)(?:[/?#].*)?$/i.exec(written.trim());
  if (m === null) return null;
  const [, scheme = "https", star = "", host = ""] = m;
  try {
    const url = new URL(`${scheme.toLowerCase()}://${host}`);
    if (!/^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)$/.test(url.hostname) || (star !== "" && !url.hostname.includes("."))) return null;
    return url.origin.replace("://", `://${star}`);
  } catch {
    return null;
  }
}
