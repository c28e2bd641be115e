// Values that were hidden when they were recorded, in a real Chromium against the demo: stars for whoever watches, asked for as what they are,
// decided by two people who are told so, shown as they were; and the tour's chapter about them.
import { equal, eventually, person, playerFrame, shot, suite } from "./_lib.mjs";

const TITLE = "Restart of the wrong unit";
const HIDDEN = ["customer-4711@example.com", "4000 0000 0000 0002"];
const WHY = "We look for the payment that was lost, see the ticket";
const terminalText = async (page) => (await playerFrame(page)?.evaluate(() => document.body.innerText.replace(/\u00a0/g, " "))) ?? "";

async function vote(page) {
  await page.getByRole("link", { name: "Inbox" }).click();
  const card = page.locator("[data-request]").filter({ hasText: "engineer asks for" }).first();
  await card.getByText("Values that were hidden when this was recorded will be shown.").waitFor();
  await shot(page, "reveal-vote");
  await card.getByRole("button", { name: "Approve" }).click();
  await page.getByText("You approved this.").first().waitFor();
}

await suite({
  async "hidden values: asked for, decided by two, shown; and not before"({ server, browser }) {
    const complaints = [];
    const engineer = await person(browser, server, "engineer", complaints);
    const approver = await person(browser, server, "approver", complaints);
    const lead = await person(browser, server, "lead", complaints);
    await engineer.getByRole("link", { name: TITLE }).click();
    await engineer.getByLabel("Reason").fill(WHY);
    await engineer.getByLabel("See hidden values").check();
    await engineer.getByText("2 people have to agree.").waitFor();
    equal("a copy has none", (await engineer.getByLabel("Save a copy").check(), await engineer.getByLabel("See hidden values").isChecked()), false);
    await engineer.getByLabel("See hidden values").check();
    equal("one watches then", [await engineer.getByLabel("Watch it", { exact: true }).isChecked(), await engineer.getByLabel("Save a copy").isChecked()], [true, false]);
    await engineer.getByRole("button", { name: "Ask for access" }).click();
    await engineer.locator("[data-agreed='0'][data-need='2']").waitFor();
    await vote(approver);
    await engineer.locator("[data-agreed='1'][data-need='2']").waitFor();
    await vote(lead);
    await engineer.getByRole("link", { name: "Start watching" }).click();
    await engineer.getByText("You see values that are hidden from others. The record says so.").waitFor();
    await eventually("the values", () => terminalText(engineer), (x) => HIDDEN.every((v) => x.includes(v)), 20_000);
    await shot(engineer, "reveal-watch");
    await engineer.locator("[data-tour=give-back]").click();
    await engineer.locator("[data-ended]").waitFor();
    equal("complaints", complaints, []);
  },

  async "the tour: stars first, then what they stand for"({ server, browser }) {
    const page = await (await browser.newContext({ viewport: { width: 1600, height: 1000 } })).newPage();
    const complaints = [];
    page.on("pageerror", (e) => complaints.push(e.message));
    await page.goto(`${server.url}/tour`);
    await page.getByRole("button", { name: "Hidden values", exact: true }).click();
    await page.locator("[data-step='1'][data-running=true]").waitFor({ timeout: 15_000 });
    const first = await eventually("stars", () => terminalText(page), (x) => x.includes("*".repeat(HIDDEN[0].length)), 30_000);
    equal("nothing of it is shown", HIDDEN.filter((v) => first.includes(v)), []);
    await page.locator("[data-step='4']").waitFor({ timeout: 60_000 });
    await eventually("the values", () => terminalText(page), (x) => HIDDEN.every((v) => x.includes(v)), 20_000);
    await shot(page, "tour-hidden");
    await page.locator("[data-running=false]").waitFor({ timeout: 30_000 });
    equal("trouble", await page.locator("main > .notice.bad").allTextContents(), []);
    equal("complaints", complaints, []);
  },
});
