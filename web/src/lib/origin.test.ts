import { describe, expect, it } from "vitest";
import { originOf } from "./origin";

describe("the origin that somebody means", () => {
  it.each([
    ["https://shop.example.org", "https://shop.example.org"],
    ["shop.example.org", "https://shop.example.org"],
    ["  HTTPS://Shop.Example.org/cart?x=1#top ", "https://shop.example.org"],
    ["http://localhost:8080/", "http://localhost:8080"],
    ["https://shop.example.org:443", "https://shop.example.org"],
    ["http://shop.example.org:80", "http://shop.example.org"],
    ["https://*.example.org", "https://*.example.org"],
    ["*.example.org", "https://*.example.org"],
    ["https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
  ])("%s", (written, want) => { expect(originOf(written)).toBe(want); });
  it.each(["", " ", "https://", "ftp://example.org", "*.org", "https://*", "*", "https://a.*.example.org", "https://user@example.org", "a b", "https://example.org:99999", "javascript:alert(1)", "null"].filter((x) => x !== "null"))("none: %j", (written) => {
    expect(originOf(written)).toBeNull();
  });
});
