import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Request } from "../api/types";
import { checkedDigest, jcs, requestDigest, shownObject } from "./digest";

const digest_object = {
  id: "q_0123456789abcdef", salt: "AAAAAAAAAAAAAAAAAAAAAA", requester: "u_0123456789abcdef", project: "p_0123456789abcdef", env: "prod",
  recordings: ["r_a", "r_b"], actions: ["play"], purpose: "support", reason: "Grüße \"x\"\n\u20ac", ticket: "", start: "first-use", start_by_s: 28800,
  duration_s: 1800, viewers: ["u_0123456789abcdef"], more: {}, more_time: {}, parts: [], extends: "", policy: "P",
};

async function request(): Promise<Request> {
  return {
    id: digest_object.id, state: "PENDING", version: 1, digest: await requestDigest(digest_object), digest_object,
    requester: { id: digest_object.requester, name: "engineer" }, project: digest_object.project, env: "prod",
    recordings: [{ id: "r_b" }, { id: "r_a" }], actions: ["play"], purpose: { code: "support", reason: digest_object.reason, ticket: null },
    duration_s: 1800, start: "first-use", start_by_s: 28800, rule: "x", policy: "P", need: 1, deny: 1, votes: [],
    created_at: "", lapses_at: "", grant: null,
  };
}

describe("jcs", () => {
  it("sorts by UTF-16 units and escapes as RFC 8785", () => {
    // RFC 8785 3.2.3, without its members that are not in a digest
    expect(jcs({ "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew", "1": "One", "\ud83d\ude00": "Smiley", "\u0080": "Control", "\u00f6": "o" }))
      .toBe('{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"o","\u20ac":"Euro Sign","\ud83d\ude00":"Smiley","\ufb33":"Hebrew"}');
    expect(jcs([1, "a\u000f\"\\/", {}, []])).toBe('[1,"a\\u000f\\"\\\\/",{},[]]');
  });
  it.each([[1.5], [null], [true], [undefined], [2 ** 53]])("refuses %s", (v) => {
    expect(() => jcs(v)).toThrow();
  });
});

describe("digest", () => {
  it("is what another implementation makes", async () => {
    const text = '{"actions":["play"],"duration_s":1800,"env":"prod","extends":"","id":"q_0123456789abcdef","more":{},"more_time":{},"parts":[],"policy":"P",'
      + '"project":"p_0123456789abcdef","purpose":"support","reason":"Grüße \\"x\\"\\n€","recordings":["r_a","r_b"],"requester":"u_0123456789abcdef",'
      + '"salt":"AAAAAAAAAAAAAAAAAAAAAA","start":"first-use","start_by_s":28800,"ticket":"","viewers":["u_0123456789abcdef"]}';
    expect(await requestDigest(digest_object)).toBe(createHash("sha256").update("keyhole/request/v1\n" + text).digest("base64url"));
  });
  it("is that of what is shown", async () => {
    const r = await request();
    expect(shownObject(r)).toEqual(digest_object);
    expect(await checkedDigest(r)).toBe(r.digest);
  });
  it("covers who else watches, and what is decided beforehand", async () => {
    const r = await request();
    Object.assign(r, { viewers: [r.requester, { id: "u_000000000000000a", name: "second" }], more: { same: "session", max: 5 }, more_time: { times: 1, each_s: 1800 }, extends: { grant: "g_0123456789abcdef", kind: "extend" } });
    r.digest_object = { ...r.digest_object, viewers: ["u_000000000000000a", r.requester.id], more: { same: "session", max: 5 }, more_time: { times: 1, each_s: 1800 }, extends: "g_0123456789abcdef" };
    r.digest = await requestDigest(r.digest_object);
    expect(shownObject(r)).toEqual(r.digest_object);
    expect(await checkedDigest(r)).toBe(r.digest);
  });
  it.each<[string, (r: Request) => void]>([
    ["another reason", (r) => { r.purpose.reason = "other"; }],
    ["another recording", (r) => { r.recordings = [{ id: "r_a" }]; }],
    ["longer", (r) => { r.duration_s = 3600; }],
    ["another person", (r) => { r.requester = { id: "u_x", name: "engineer" }; }],
    ["more actions", (r) => { r.actions = ["play", "export"]; }],
    ["a viewer who is not asked for", (r) => { r.viewers = [r.requester, { id: "u_x", name: "x" }]; }],
    ["other time beforehand", (r) => { r.more_time = { times: 2, each_s: 60 }; }],
    ["recordings to be added", (r) => { r.more = { same: "session", max: 5 }; }],
    ["another access to go on with", (r) => { r.extends = { grant: "g_x", kind: "extend" }; }],
    ["parts, which no page shows", (r) => { r.digest_object = { ...r.digest_object, parts: [{}] }; }],
    ["another digest", (r) => { r.digest = "x"; }],
  ])("refuses %s", async (_, change) => {
    const r = await request();
    change(r);
    expect(await checkedDigest(r)).toBeNull();
  });
});
