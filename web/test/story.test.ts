/* The built app in a real Chromium under the real headers, against the stand-in of mock.ts. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium, type Browser, type Frame, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keep, startMock, type Kept } from "./mock";

const require = createRequire(import.meta.url);
const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const built = existsSync(join(__dirname, "../dist/app/index.html"));
const demo = (name: string) => readFileSync(join(__dirname, "../../demo/recordings", name), "utf8");
const shots = process.env["SHOTS"];

let mock: Awaited<ReturnType<typeof startMock>>;
let browser: Browser;
let checkout: Kept;
let restart: Kept;
const complaints: string[] = [];

async function person(name: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  page.on("pageerror", (e) => complaints.push(`${name}: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security|TrustedHTML|Refused|violat/i.test(m.text())) complaints.push(`${name}: ${m.text()}`); });
  await page.goto(mock.url(`${name}.localhost`));
  await page.getByRole("button", { name: `Sign in as ${name}` }).click();
  await page.getByRole("heading", { name: "Recordings" }).waitFor();
  return page;
}
/* axe-core looks at what one sees, and a picture is kept when asked for. */
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
async function shot(page: Page, name: string): Promise<void> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const run = (window as unknown as { axe: { run(o: object): Promise<{ violations: { id: string; nodes: { target: unknown }[] }[]; passes: unknown[] }> } }).axe;
    const r = await run.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa"], iframes: false });
    return [...(r.passes.length < 10 ? ["axe did not look"] : []), ...r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => String(n.target)).join(" ")}`)];
  });
  for (const f of found) complaints.push(`${name}: ${f}`);
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
}
function playerFrame(page: Page): Frame | undefined {
  return page.frames().find((f) => /\/(dom|terminal)$/.test(f.url()));
}
async function ask(page: Page, title: string, n: number, unit: string): Promise<void> {
  await page.getByRole("link", { name: title }).click();
  await page.getByLabel("Reason").fill("A customer reports that checkout fails");
  await page.getByRole("spinbutton", { name: "For how long?" }).fill(String(n));
  await page.getByRole("combobox", { name: "For how long?" }).selectOption(unit);
  await page.getByRole("button", { name: "Ask for access" }).click();
  await page.getByRole("heading", { name: "Waiting for approval" }).waitFor();
}
async function approve(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Inbox" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByText("You approved this.").first().waitFor();
}

describe.skipIf(!existsSync(executable) || !built)("the app in Chromium", () => {
  beforeAll(async () => {
    checkout = keep("rrweb", demo("checkout.json"), "Checkout fails for a discounted cart");
    restart = keep("terminal", demo("restart.cast"), "Restart of the wrong unit");
    mock = await startMock([checkout, restart]);
    browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  });

  it("tells the whole story for a browser recording, and stops by itself", async () => {
    const engineer = await person("engineer");
    const approver = await person("approver");
    await shot(engineer, "1-list");
    expect(await engineer.getByText("Closed").count()).toBeGreaterThan(1);
    await engineer.getByRole("link", { name: checkout.recording.title! }).click();
    await engineer.getByText("One person has to agree.").waitFor();
    await shot(engineer, "2-ask");
    await engineer.getByRole("button", { name: "Ask for access" }).click(); // too short a reason: said at the field
    await engineer.getByText("At least 20 characters.").first().waitFor();
    await engineer.goBack();
    await ask(engineer, checkout.recording.title!, 12, "s");
    await shot(engineer, "3-wait");
    await approver.getByRole("link", { name: "Inbox" }).click();
    await approver.getByText("What you see is exactly what you decide on").waitFor();
    await shot(approver, "4-inbox");
    await approver.evaluate(() => fetch("/test/stale")); // an older sign-in: the password is asked for in place
    await approver.getByLabel("Comment").fill("fine by me");
    await approver.getByRole("button", { name: "Approve" }).click();
    await approver.getByRole("dialog").getByLabel("Password").fill("demo-approver");
    await shot(approver, "5-reauth");
    await approver.getByRole("button", { name: "Continue" }).click();
    await approver.getByText("You approved this.").first().waitFor();

    await engineer.getByRole("link", { name: "Start watching" }).click(); // the page changed by itself
    await engineer.locator(".stage iframe").waitFor();
    await expect.poll(() => playerFrame(engineer)?.childFrames()[0]?.locator("h1, .product").count(), { timeout: 8000 }).toBeGreaterThan(0);
    await expect.poll(async () => Number(await engineer.locator("[data-at]").getAttribute("data-at")), { timeout: 8000 }).toBeGreaterThan(1500);
    await shot(engineer, "6-watch");
    await engineer.keyboard.press("9"); // 90 %
    await expect.poll(() => playerFrame(engineer)?.childFrames()[0]?.locator("#banner").textContent().catch(() => ""), { timeout: 8000 }).toContain("ERR-7F3A21");
    await shot(engineer, "7-seek");
    await approver.getByRole("link", { name: "Who is watching" }).click();
    await approver.locator("[data-viewing]").waitFor();
    await shot(approver, "8-watching");

    await engineer.locator("[data-ended=window]").waitFor({ timeout: 15_000 });
    await shot(engineer, "9-ended");
    expect(await engineer.locator("iframe").count()).toBe(0);
    const n = mock.hits.length;
    await new Promise((ok) => setTimeout(ok, 1500));
    expect(mock.hits.slice(n).filter((h) => h.path.includes("/replay/"))).toEqual([]);
    await engineer.context().close();
    await approver.context().close();
  }, 90_000);

  it("plays a terminal, and stops when somebody ends the access", async () => {
    const engineer = await person("engineer");
    const lead = await person("lead");
    await ask(engineer, restart.recording.title!, 5, "min");
    await approve(lead);
    await engineer.getByRole("link", { name: "Start watching" }).click();
    const text = () => playerFrame(engineer)?.locator(".ap-term").textContent().catch(() => "");
    await expect.poll(text, { timeout: 10_000 }).toContain("oncall@bastion");
    await engineer.keyboard.press("2");
    await expect.poll(text, { timeout: 8000 }).toContain("payments-api");
    await engineer.keyboard.press(" ");
    const at = async () => Number(await engineer.locator("[data-at]").getAttribute("data-at"));
    await expect.poll(async () => { // it stands, as soon as the player has heard
      const before = await at();
      await new Promise((ok) => setTimeout(ok, 600));
      return Math.abs((await at()) - before);
    }, { timeout: 10_000 }).toBeLessThan(250);
    await shot(engineer, "10-terminal");
    await engineer.keyboard.press(" ");
    await new Promise((ok) => setTimeout(ok, 9000)); // past the end of the first key: renewed without a word
    expect(await engineer.locator("[data-phase=on]").count()).toBe(1);
    await lead.getByRole("link", { name: "Who is watching" }).click();
    await lead.getByRole("button", { name: "End access" }).click();
    await lead.getByLabel("Why? They will read it.").fill("enough seen");
    await lead.getByRole("dialog").getByRole("button", { name: "End access" }).click();
    await engineer.locator("[data-ended=revoked]").waitFor({ timeout: 15_000 });
    await engineer.getByText("They said: enough seen").waitFor();
    await shot(engineer, "11-revoked");
    await engineer.context().close();
    await lead.context().close();
  }, 90_000);

  it("never sent a key to the player's origin, and nothing broke the policies", () => {
    expect(complaints).toEqual([]);
    expect(mock.hits.filter((h) => h.path.includes("/replay/") && !h.auth.startsWith("DPoP "))).toEqual([]);
  });
});
