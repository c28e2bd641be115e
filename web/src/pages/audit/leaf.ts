/* One audit record as people read it. Pure: the exact record stays one click away. */
import type { AuditEvent } from "../../api/types";
import { clock } from "../../lib/words";
import { t, texts, tOr } from "../../texts";

export interface Leaf {
  t?: string;
  type?: string;
  actor?: string;
  q?: string;
  gid?: string;
  rid?: string;
  outcome?: string;
  n?: Record<string, number>;
}

export function readLeaf(e: AuditEvent): Leaf {
  try {
    const v: unknown = JSON.parse(e.raw);
    return typeof v === "object" && v !== null ? (v as Leaf) : {};
  } catch {
    return {};
  }
}

export function sayLeaf(l: Leaf): string {
  const n = l.n ?? {};
  const span = n["from_ms"] !== undefined && n["to_ms"] !== undefined ? t("audit.span", { from: clock(n["from_ms"]), to: clock(n["to_ms"]) }) : "";
  const name = `audit.event.${l.type}`;
  const how = n["live_s"] !== undefined ? ".live" : span === "" ? ".plain" : "";
  const said = tOr(`${name}${how}` in texts ? `${name}${how}` : name, "audit.event.other", { type: l.type ?? "", span }).trim();
  return l.outcome && l.outcome !== "ok" && l.outcome !== "recorder" && !l.type?.startsWith("replay.leased") ? `${said} (${l.outcome})` : said;
}

export const typeFilters = {
  all: "",
  requests: "request.*,grant.*,review.*,breakglass.*,freeze.*",
  access: "key.*,grant.*,viewing.*",
  viewing: "viewing.*,replay.*,export.*",
  signin: "login.*,client-key.*",
  changes: "user.*,group.*,role.*,project.*,token.*,person.*,policy.*,change.*,config.*",
} as const;
