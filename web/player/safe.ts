/*
 * Safe mode for terminal output (STANDARDS 5.4): what may change the picture goes through, what may speak to the outside does not.
 * Pure. Keeps its state between pieces: an escape sequence may be cut anywhere.
 *
 * Through: text, CR LF TAB BS, SGR, cursor moves, erase, insert and delete, scroll region, tabs, alternate screen, charsets, a few modes.
 * Dropped: OSC (the title is handed out as plain text), DCS, APC, PM, SOS, reports and queries, CSI t, mouse, focus and paste modes,
 * 8-bit C1, and every sequence that is not known. Bidi controls become a visible sign.
 */
const SEQUENCE_MAX = 256; // characters of one CSI
const STRING_MAX = 4096; // characters kept of one OSC
const REPEAT_MAX = 720; // as SCREEN_REPEAT_MAX on the server: eight bytes could say a character 65,535 times
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const BIDI_SIGN = "\u25c7";

const CSI_PLAIN = "@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu"; // without prefix and intermediates
const MODES_PLAIN = new Set(["4", "20"]);
const MODES_PRIVATE = new Set(["1", "5", "6", "7", "12", "25", "47", "1047", "1048", "1049"]);
const ESC_FINAL = "78DEHMc=>";
const CHARSETS = "()*+-./";

type State = "text" | "esc" | "esc-more" | "csi" | "osc" | "string" | "string-esc" | "osc-esc";

export interface SafeFilter {
  feed(s: string): string;
  reset(): void;
}

export function safeFilter(onTitle: (title: string) => void = () => {}): SafeFilter {
  let state: State = "text";
  let seq = ""; // after ESC, or after CSI
  let long = false;

  function csi(body: string, final: string): string {
    const m = /^([<=>?]?)([0-9:;]*)([ -/]*)$/.exec(body);
    if (m === null) return "";
    const [, prefix = "", params = "", between = ""] = m;
    if (between === " " && final === "q" && prefix === "") return `\x1b[${params} q`; // cursor shape
    if (between === "!" && final === "p" && prefix === "") return "\x1b[!p"; // soft reset
    if (between !== "") return "";
    if (prefix === "?") {
      if (final === "J" || final === "K") return `\x1b[?${params}${final}`;
      if (final !== "h" && final !== "l") return "";
      const kept = params.split(";").filter((p) => MODES_PRIVATE.has(p));
      return kept.length === 0 ? "" : `\x1b[?${kept.join(";")}${final}`;
    }
    if (prefix !== "" || !CSI_PLAIN.includes(final)) return "";
    if (final === "h" || final === "l") {
      const kept = params.split(";").filter((p) => MODES_PLAIN.has(p));
      return kept.length === 0 ? "" : `\x1b[${kept.join(";")}${final}`;
    }
    if (final === "b" && Number.parseInt(params, 10) > REPEAT_MAX) return `\x1b[${REPEAT_MAX}b`;
    return `\x1b[${params}${final}`;
  }

  function osc(body: string): void {
    const m = /^[02];(.*)$/s.exec(body);
    if (m !== null) onTitle((m[1] ?? "").replace(/[\x00-\x1f\x7f-\x9f]/g, "").replace(BIDI, BIDI_SIGN).slice(0, 200));
  }

  function escape(c: string): string {
    state = "text";
    if (c === "[") state = "csi";
    else if (c === "]") state = "osc";
    else if (c === "P" || c === "X" || c === "^" || c === "_") state = "string";
    else if (c >= " " && c <= "/") { state = "esc-more"; seq = c; return ""; }
    else if (ESC_FINAL.includes(c)) return `\x1b${c}`;
    seq = "";
    long = false;
    return "";
  }

  function escapeMore(c: string): string {
    if (c >= " " && c <= "/") {
      seq += c;
      return "";
    }
    state = "text";
    if (c < "0" || c > "~" || seq.length !== 1) return "";
    return (CHARSETS.includes(seq) && /[0-9A-Za-z<=>"%&]/.test(c)) || (seq === "#" && /[34568]/.test(c)) ? `\x1b${seq}${c}` : "";
  }

  /* C0 in the middle of a sequence acts at once, as terminals do; CAN and SUB end the sequence. */
  function control(c: string): string {
    if (c === "\x1b") { state = "esc"; return ""; }
    if (c === "\x18" || c === "\x1a") { state = "text"; return ""; }
    return c >= "\x08" && c <= "\x0f" ? c : "";
  }

  function one(c: string): string {
    const inString = state === "osc" || state === "string" || state === "osc-esc" || state === "string-esc";
    if (inString) return stringChar(c);
    if (c < " ") return control(c);
    if (c >= "\x7f" && c <= "\x9f") return ""; // DEL and 8-bit C1
    switch (state) {
      case "esc": return escape(c);
      case "esc-more": return escapeMore(c);
      case "csi":
        if (c >= "@" && c <= "~") {
          state = "text";
          return long ? "" : csi(seq, c);
        }
        if (c > "~") { state = "text"; return ""; }
        if (seq.length < SEQUENCE_MAX) seq += c;
        else long = true;
        return "";
      default: return c;
    }
  }

  function stringChar(c: string): string {
    const isOsc = state === "osc" || state === "osc-esc";
    if (state === "osc-esc" || state === "string-esc") {
      if (isOsc && c === "\\" && !long) osc(seq);
      state = "text";
      return c === "\\" ? "" : escape(c); // an ESC that does not end the string begins another sequence
    }
    if (c === "\x1b") state = isOsc ? "osc-esc" : "string-esc";
    else if (c === "\x9c" || (c === "\x07" && isOsc)) {
      if (isOsc && !long) osc(seq);
      state = "text";
    } else if (c === "\x18" || c === "\x1a") state = "text";
    else if (isOsc && seq.length < STRING_MAX) seq += c;
    else if (isOsc) long = true;
    return "";
  }

  return {
    feed(s) {
      let out = "";
      let i = 0;
      while (i < s.length) {
        if (state === "text") {
          // Plain text is nearly everything: copied in runs.
          let j = i;
          while (j < s.length) {
            const u = s.charCodeAt(j);
            if (u < 32 || (u >= 0x7f && u <= 0x9f)) break;
            j++;
          }
          if (j > i) {
            out += s.slice(i, j).replace(BIDI, BIDI_SIGN);
            i = j;
            continue;
          }
        }
        out += one(s[i] ?? "");
        i++;
      }
      return out;
    },
    reset() {
      state = "text";
      seq = "";
      long = false;
    },
  };
}
