// The moves that an access makes, played by hand in a real Chromium against the demo: two approvals, more time without a cut, watching along,
// on hold and on again, the brake, an emergency and its review. One person, one address, one browser each.
import { ask, call, equal, eventually, person, playerFrame, shot, signIn, sleep, suite } from "./_lib.mjs";

const TERMINAL = "Restart of the wrong unit";
const CHECKOUT = "Checkout fails for a discounted cart";
const WHY = "A customer reports that this fails, see the ticket";

const at = async (page) => Number(await page.locator("[data-at]").getAttribute("data-at"));
async function playsOn(page) {
  const from = await eventually("a position", () => at(page), (x) => Number.isFinite(x));
  await eventually("it plays", () => at(page), (x) => x > from + 700);
}
const phase = (page) => page.locator("[data-phase]").getAttribute("data-phase");
const over = (page, why, ms = 5000) => page.locator(`[data-ended=${why}]`).waitFor({ timeout: ms });

async function cast({ server, browser }, ...names) {
  const complaints = [];
  const people = {};
  for (const n of names) people[n] = await person(browser, server, n, complaints);
  return { ...people, complaints };
}
/* One vote, on the request that the inbox shows of this person. */
async function vote(page, who = "engineer") {
  await page.getByRole("link", { name: "Inbox" }).click();
  const card = page.locator("[data-request]").filter({ hasText: `${who} asks for` }).first();
  await card.getByText("What you see is exactly what you decide on").waitFor();
  await card.getByRole("button", { name: "Approve" }).click();
  await page.getByText("You approved this.").first().waitFor();
}
async function openFor(page, title, seconds, voter, who = "engineer") {
  await ask(page, title, seconds);
  await vote(voter, who);
  await page.getByRole("link", { name: "Start watching" }).click();
  await playsOn(page);
}
async function giveBackAll(server, name) {
  const token = await signIn(server, name);
  for (const g of (await call(server, "GET", "/v1/grants?box=mine&state=live", { token })).json.items)
    await call(server, "POST", `/v1/grants/${g.id}/relinquish`, { token, body: {} });
  for (const q of (await call(server, "GET", "/v1/requests?box=mine&state=PENDING", { token })).json.items)
    await call(server, "POST", `/v1/requests/${q.id}/cancel`, { token, body: {} });
}

await suite({
  async "two people have to agree, and one sees who is still needed"(t) {
    const w = await cast(t, "engineer", "approver", "lead");
    await w.engineer.getByRole("link", { name: CHECKOUT }).click();
    await w.engineer.getByLabel("What is it for?").selectOption("security");
    await w.engineer.getByText("2 people have to agree.").waitFor();
    await w.engineer.getByLabel("Reason").fill(WHY);
    await w.engineer.getByRole("button", { name: "Ask for access" }).click();
    await w.engineer.locator("[data-agreed='0'][data-need='2']").waitFor();
    await shot(w.engineer, "moves-two-wait");
    await vote(w.approver);
    await w.engineer.locator("[data-agreed='1'][data-need='2']").waitFor();
    await w.engineer.getByText(/1 more needed\. Who can: .*lead/).waitFor();
    equal("not yet", await w.engineer.getByRole("link", { name: "Start watching" }).count(), 0);
    await w.lead.getByRole("link", { name: "Inbox" }).click();
    await w.lead.getByText("approver agreed").first().waitFor();
    await shot(w.lead, "moves-two-second");
    await vote(w.lead);
    await w.engineer.getByRole("link", { name: "Start watching" }).click();
    await playsOn(w.engineer);
    await shot(w.engineer, "moves-two-plays");
    await giveBackAll(t.server, "engineer");
    await over(w.engineer, "given-back");
    equal("complaints", w.complaints, []);
  },

  async "more time is a new decision, and playing goes on without a cut"(t) {
    const w = await cast(t, "engineer", "approver");
    await openFor(w.engineer, TERMINAL, 25, w.approver);
    await w.engineer.getByRole("button", { name: "More time" }).click();
    await shot(w.engineer, "moves-more-time");
    await w.engineer.getByRole("dialog").getByLabel("For how long?").fill("2");
    await w.engineer.getByRole("dialog").getByRole("button", { name: "Ask for access" }).click();
    await w.engineer.getByText("Asked. It goes on with this one when somebody agrees.").waitFor();
    await w.approver.getByRole("link", { name: "Inbox" }).click();
    await w.approver.getByText("open access of engineer, for more time").first().waitFor();
    await shot(w.approver, "moves-more-time-inbox");
    await vote(w.approver);
    const left = async () => (await w.engineer.getByRole("timer").first().textContent()).replace(/ .*/, "").split(":").reduce((a, b) => a * 60 + Number(b), 0);
    await eventually("the time that is left", left, (x) => x > 60, 30_000);
    await sleep(26_000); // past the end of the first one
    equal("phase", await phase(w.engineer), "on");
    await playsOn(w.engineer);
    await eventually("the screen", () => playerFrame(w.engineer).locator(".ap-term").textContent(), (x) => x.includes("oncall@bastion"));
    await giveBackAll(t.server, "engineer");
    await over(w.engineer, "given-back");
    equal("complaints", w.complaints, []);
  },

  async "time that was agreed beforehand is there at once"(t) {
    const w = await cast(t, "engineer", "approver");
    await w.engineer.getByRole("link", { name: TERMINAL }).click();
    await w.engineer.getByLabel("Reason").fill(WHY);
    await w.engineer.getByText("Together with others, or with room for more").click();
    await w.engineer.getByLabel("More time, taken while it is open").selectOption("1");
    await w.engineer.getByLabel("Who else will watch?").fill("second-engineer");
    await shot(w.engineer, "moves-beforehand");
    await w.engineer.getByRole("button", { name: "Ask for access" }).click();
    await w.approver.getByRole("link", { name: "Inbox" }).click();
    await w.approver.getByText("1 times 10 min more may be taken.").first().waitFor();
    await w.approver.getByText("engineer, second-engineer").first().waitFor();
    await vote(w.approver);
    await w.engineer.getByRole("link", { name: "Start watching" }).click();
    await playsOn(w.engineer);
    await w.engineer.getByRole("button", { name: "More time" }).click();
    await w.engineer.getByText("10 min more were agreed beforehand").waitFor();
    await w.engineer.getByRole("dialog").getByRole("button", { name: "Take it" }).click();
    await w.engineer.getByText("Done. It goes on without a cut.").waitFor();
    await playsOn(w.engineer);
    const second = await person(t.browser, t.server, "second-engineer", w.complaints);
    await second.getByRole("link", { name: TERMINAL }).click();
    await second.getByRole("link", { name: "Start watching" }).click();
    await playsOn(second);
    await giveBackAll(t.server, "engineer");
    await giveBackAll(t.server, "second-engineer");
    await over(w.engineer, "given-back");
    equal("complaints", w.complaints, []);
  },

  async "a colleague asks to watch along"(t) {
    const w = await cast(t, "engineer", "approver", "second-engineer");
    const second = w["second-engineer"];
    await openFor(w.engineer, TERMINAL, 120, w.approver);
    const token = await signIn(t.server, "engineer");
    const g = (await call(t.server, "GET", "/v1/grants?box=mine&state=live", { token })).json.items[0];
    await second.goto(`${t.server.host("second-engineer")}/access/${g.id}`);
    await second.getByRole("heading", { name: "Watch along" }).waitFor();
    await shot(second, "moves-join");
    await second.getByRole("button", { name: "Ask to watch along" }).click();
    await second.getByRole("heading", { name: "Request", level: 1 }).waitFor();
    await w.approver.getByRole("link", { name: "Inbox" }).click();
    await w.approver.getByText("open access of engineer, to watch along").first().waitFor();
    await vote(w.approver, "second-engineer");
    await second.getByRole("link", { name: "Open the recording's page" }).click();
    await second.getByRole("link", { name: /^(Start watching|Watch)$/ }).click();
    await playsOn(second);
    await w.approver.getByRole("link", { name: "Who is watching" }).click();
    await w.approver.getByRole("row", { name: /second-engineer/ }).waitFor();
    await w.approver.getByRole("row", { name: new RegExp(`engineer.*${TERMINAL}`) }).first().waitFor();
    await shot(w.approver, "moves-join-watching");
    await giveBackAll(t.server, "second-engineer");
    await over(second, "given-back");
    equal("the colleague's is his own", await phase(w.engineer), "on");
    await giveBackAll(t.server, "engineer");
    equal("complaints", w.complaints, []);
  },

  async "on hold, and on again from the same place"(t) {
    const w = await cast(t, "engineer", "lead");
    await openFor(w.engineer, TERMINAL, 120, w.lead);
    await w.engineer.keyboard.press("4");
    await eventually("jumped", () => at(w.engineer), (x) => x > 20_000);
    await w.lead.getByRole("link", { name: "Who is watching" }).click();
    await w.lead.getByRole("button", { name: "Put on hold" }).click();
    await over(w.engineer, "suspended");
    equal("frames", await w.engineer.locator("iframe").count(), 0);
    await w.engineer.getByText("When they lift the hold, this page goes on by itself from there.").waitFor();
    await shot(w.engineer, "moves-held");
    await w.lead.getByRole("button", { name: "Let it go on" }).click();
    await eventually("it goes on by itself", () => phase(w.engineer), (x) => x === "on");
    await eventually("from where it stood", () => at(w.engineer), (x) => x > 20_000);
    await playsOn(w.engineer);
    await giveBackAll(t.server, "engineer");
    await over(w.engineer, "given-back");
    equal("complaints", w.complaints, []);
  },

  async "the brake: one pulls it, two lift it"(t) {
    for (const name of ["admin-one", "admin-two"]) equal(name, (await call(t.server, "POST", "/v1/users", { token: t.server.admin, body: { name, password: `demo-${name}` } })).status, 201);
    equal("in admins", (await call(t.server, "PATCH", "/v1/groups/admins", { token: t.server.admin, body: { add: ["admin-one", "admin-two"] } })).status, 200);
    const w = await cast(t, "engineer", "approver");
    const admin = async (name) => {
      const page = await (await t.browser.newContext({ viewport: { width: 1280, height: 860 } })).newPage();
      await page.goto(t.server.url + "/sign-in");
      await page.getByLabel("Name").fill(name);
      await page.getByLabel("Password").fill(`demo-${name}`);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("link", { name: "Who is watching" }).click();
      return page;
    };
    await openFor(w.engineer, TERMINAL, 180, w.approver);
    const one = await admin("admin-one");
    const two = await admin("admin-two");
    await one.getByRole("button", { name: "Stop everything" }).click();
    await one.getByRole("dialog").getByLabel("Reason").fill("something odd is going on");
    await one.getByRole("dialog").getByRole("button", { name: "Stop everything" }).click();
    await over(w.engineer, "suspended");
    await w.engineer.getByText("Everything is stopped: nobody can watch.").waitFor();
    await shot(w.engineer, "moves-frozen");
    for (const [page, waits] of [[one, true], [two, false]]) {
      await page.getByRole("button", { name: "Lift it" }).click();
      await page.getByRole("dialog").getByLabel("Reason").fill("it was looked into");
      await page.getByRole("dialog").getByRole("button", { name: "Lift it" }).click();
      if (waits) await page.getByText("A second person has to do the same within 15 minutes.").waitFor();
    }
    await w.engineer.getByText("Everything is stopped: nobody can watch.").waitFor({ state: "hidden" });
    await eventually("it goes on by itself", () => phase(w.engineer), (x) => x === "on");
    await playsOn(w.engineer);
    await giveBackAll(t.server, "engineer");
    equal("complaints", w.complaints, []);
  },

  async "an emergency opens at once, is seen by all who approve, and is reviewed"(t) {
    const w = await cast(t, "engineer", "lead", "auditor");
    await w.engineer.getByRole("link", { name: CHECKOUT }).click();
    await w.engineer.getByText("An incident cannot wait for approval").click();
    await w.engineer.getByLabel("Incident").fill("INC-204");
    await w.engineer.getByLabel("Why can it not wait?").fill("Checkout is down for everybody, at night");
    await shot(w.engineer, "moves-emergency");
    await w.engineer.getByRole("button", { name: "Open it now" }).click();
    await w.engineer.getByRole("link", { name: "Watch", exact: true }).click();
    await playsOn(w.engineer);
    await w.lead.getByRole("link", { name: "Who is watching" }).click();
    await w.lead.getByRole("listitem").filter({ hasText: "Emergency access" }).waitFor();
    await giveBackAll(t.server, "engineer");
    await over(w.engineer, "given-back");
    await w.lead.getByRole("link", { name: "Inbox" }).click();
    const review = w.lead.locator("[data-review]");
    await review.getByText("Checkout is down for everybody, at night").waitFor();
    await shot(w.lead, "moves-review");
    await review.getByLabel("What did you find?").fill("It was needed, and only that was watched");
    await review.getByRole("button", { name: "It was right" }).click();
    await review.waitFor({ state: "hidden" });
    await w.auditor.getByRole("link", { name: "Audit" }).click();
    await w.auditor.getByRole("cell", { name: /looked at an emergency/ }).first().waitFor();
    equal("complaints", w.complaints, []);
  },

  async "a new browser is announced to the account's other sign-ins"(t) {
    const w = await cast(t, "engineer");
    const mine = w.engineer.getByRole("button", { name: "That was me" }); // earlier tests had browsers of their own
    if (await mine.count()) await mine.click();
    equal("nothing new", await w.engineer.locator("[data-new-sign-in]").count(), 0);
    const again = await person(t.browser, t.server, "engineer", w.complaints);
    await w.engineer.locator("[data-new-sign-in]").first().waitFor(); // told at once
    await shot(w.engineer, "moves-new-browser");
    await w.engineer.getByRole("button", { name: "That was me" }).click();
    await w.engineer.locator("[data-new-sign-in]").first().waitFor({ state: "hidden" });
    await again.close();
    equal("complaints", w.complaints, []);
  },

  async "a browser that lost its pair says so, and one signs in once more"(t) {
    const w = await cast(t, "engineer");
    await w.engineer.evaluate(() => new Promise((ok, fail) => { const d = indexedDB.deleteDatabase("keyhole"); d.onsuccess = ok; d.onerror = fail; }));
    await w.engineer.reload();
    await w.engineer.getByText("This browser can no longer prove that it is you").waitFor();
    await shot(w.engineer, "moves-lost");
    await w.engineer.getByRole("button", { name: "Sign in once more" }).click();
    await w.engineer.getByRole("button", { name: "Sign in as engineer" }).click();
    await w.engineer.getByRole("heading", { name: "Recordings" }).waitFor();
    equal("said no more", await w.engineer.getByText("can no longer prove").count(), 0);
    equal("complaints", w.complaints, []);
  },
});
