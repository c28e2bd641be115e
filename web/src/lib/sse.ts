/* Server-sent events by fetch (EventSource cannot send an Authorization header). */

export interface SseEvent {
  event: string; // "message" when the stream gives none
  data: string;
  id: string | null; // of this event; null: it had none
}

/* Pure: text in pieces of any size in, events out. */
export function sseParser(onEvent: (e: SseEvent) => void): (text: string) => void {
  let rest = "";
  let event = "";
  let data: string[] = [];
  let id: string | null = null;
  let first = true;

  function line(l: string): void {
    if (l === "") {
      if (data.length > 0) onEvent({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
      id = null;
      return;
    }
    const colon = l.indexOf(":");
    if (colon === 0) return; // a comment keeps the connection alive
    const field = colon < 0 ? l : l.slice(0, colon);
    let value = colon < 0 ? "" : l.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id" && !value.includes("\0")) id = value;
  }

  return (text) => {
    if (first && text.length > 0) {
      first = false;
      if (text.startsWith("\ufeff")) text = text.slice(1);
    }
    rest += text;
    // A lone CR at the end may be half of CRLF: it waits for the next piece.
    for (;;) {
      const m = /\r\n|\n|\r(?=[^\n])/.exec(rest);
      if (!m) return;
      line(rest.slice(0, m.index));
      rest = rest.slice(m.index + m[0].length);
    }
  };
}

/* Resolves when the body ended. */
export async function readSse(r: Response, onEvent: (e: SseEvent) => void): Promise<void> {
  if (r.body === null) return;
  const reader = r.body.getReader();
  const utf8 = new TextDecoder();
  const feed = sseParser(onEvent);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    feed(utf8.decode(value, { stream: true }));
  }
}
