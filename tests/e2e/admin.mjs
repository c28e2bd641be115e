// The pages about people and rules, in a real Chromium: what only the command line could do before. The guard's waiting changes, too.
import { call, equal, eventually, person, shot, suite } from "./_lib.mjs";

/* The first is another account of the human who runs the server: while there is one administrator, changes work at once. */
async function firstAdministrator(server) {
  const a = await call(server, "POST", "/v1/users", { token: server.admin, body: { name: "admin-one", password: "demo-admin-one", person: "admin", groups: ["admins", "approvers", "auditors"] } });
  equal("admin-one", a.status, 201);
}
async function secondAdministrator(server) {
  equal("admin-two", (await call(server, "POST", "/v1/users", { token: server.admin, body: { name: "admin-two", password: "demo-admin-two", groups: ["approvers", "auditors"] } })).status, 201);
  equal("in admins", (await call(server, "PATCH", "/v1/groups/admins", { token: server.admin, body: { add: ["admin-two"] } })).status, 200);
}
async function admin(browser, server, name, complaints) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.on("pageerror", (e) => complaints.push(`${name}: ${e.message}`));
  page.on("console", (m) => { if (/Content Security|TrustedHTML|Refused to|violat/i.test(m.text())) complaints.push(`${name}: ${m.text()}`); });
  await page.goto(server.url + "/sign-in");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(`demo-${name}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Recordings" }).waitFor();
  return page;
}
const section = async (page, name) => {
  await page.getByRole("link", { name: "Administration" }).click();
  await page.getByRole("navigation", { name: "Administration" }).getByRole("link", { name }).click();
  await page.getByRole("heading", { name, level: 1 }).waitFor();
};

await suite({
  async "people, groups, projects and tokens"({ server, browser }) {
    await firstAdministrator(server);
    const complaints = [];
    const page = await admin(browser, server, "admin-one", complaints);
    await section(page, "People");
    await page.locator("tr[data-user=engineer]").waitFor();
    await shot(page, "admin-people");
    await page.getByRole("button", { name: "Add a person" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: true }).fill("engineer-two");
    await dialog.getByLabel("Password").fill("demo-engineer-two");
    await shot(page, "admin-person-new");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.locator("tr[data-user=engineer-two]").waitFor();
    await page.locator("tr[data-user=engineer-two]").getByRole("button", { name: "Lock" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Lock" }).click();
    await page.locator("tr[data-user=engineer-two]").getByText("Locked").waitFor();
    equal("locked out", (await call(server, "POST", "/v1/login", { body: { user: "engineer-two", password: "demo-engineer-two", token: true } })).status, 401);
    await page.locator("tr[data-user=engineer-two]").getByRole("button", { name: "Unlock" }).click();
    await page.locator("tr[data-user=engineer-two]").getByRole("button", { name: "Lock" }).waitFor();

    await section(page, "Groups");
    await page.getByRole("button", { name: "Add a group" }).click();
    await dialog.getByLabel("Name", { exact: true }).fill("security");
    await dialog.getByLabel("Members").fill("approver, lead");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.locator("tr[data-group=security]").getByText(/^(approver, lead|lead, approver)$/).waitFor();
    await shot(page, "admin-groups");

    await section(page, "Projects");
    await page.getByRole("button", { name: "Add a project" }).click();
    await dialog.getByLabel("Name", { exact: true }).fill("billing");
    await dialog.getByRole("button", { name: "Add a member" }).click();
    await dialog.getByRole("listitem").getByLabel("Name").fill("engineer");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.locator("tr[data-project=billing]").getByText("engineer: may ask").waitFor();
    await shot(page, "admin-projects");

    equal("no masking without the role", await page.getByRole("button", { name: "Masking" }).count(), 0);
    equal("project-admin", (await call(server, "PATCH", "/v1/projects/billing", { token: server.admin, body: { add: [{ user: "admin-one", role: "project-admin" }] } })).status, 200);
    await page.reload();
    await page.locator("tr[data-project=billing]").getByRole("button", { name: "Masking" }).click();
    await dialog.getByLabel("Try it on a text").fill("Write to jane@example.com about EMP-204518");
    await dialog.getByRole("button", { name: "Try", exact: true }).click();
    await dialog.getByText("Write to **************** about EMP-204518").waitFor();
    await dialog.getByLabel("Rules", { exact: true }).fill('patterns = { card }\nown "staff" { pattern = "(EMP" }');
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.locator("[data-line='2']").waitFor();
    await dialog.getByLabel("Rules", { exact: true }).fill('patterns = { card }\nown "staff" { pattern = "EMP-[0-9]{6}" }');
    await dialog.getByRole("button", { name: "Try", exact: true }).click();
    await dialog.getByText("Write to jane@example.com about **********").waitFor();
    await shot(page, "admin-masks");
    await dialog.getByRole("button", { name: "Save" }).click();
    await page.getByText("The new masking rules count from now on.").waitFor();

    await section(page, "Tokens");
    await page.getByRole("button", { name: "Make a token" }).click();
    await dialog.getByLabel("What for").fill("a recorder");
    await dialog.getByRole("button", { name: "Make it" }).click();
    const secret = await page.locator("[data-secret]").textContent();
    equal("a token", /^kit_[\w-]{43}$/.test(secret), true);
    await shot(page, "admin-token-made");
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await page.getByRole("row").filter({ hasText: "a recorder" }).getByRole("button", { name: "End it" }).click();
    await page.getByRole("row").filter({ hasText: "a recorder" }).getByText("Ended").waitFor();
    equal("complaints", complaints, []);
  },

  async "web pages: addresses that may record, and a public token that is shown once"({ server, browser }) {
    const complaints = [];
    const page = await admin(browser, server, "admin-one", complaints);
    const dialog = page.getByRole("dialog");
    const begin = (token, origin) => call(server, "POST", `/v1/recordings?token=${token}`, { raw: '{"kind":"rrweb"}', headers: { "Content-Type": "text/plain", Origin: origin } });
    await section(page, "Projects");
    await page.locator("tr[data-project=billing]").getByRole("link", { name: "Web pages" }).click();
    await page.getByText("None yet: no web page can record").waitFor();
    await page.getByText("No public tokens.").waitFor();
    await shot(page, "admin-pages-empty");

    await page.getByRole("button", { name: "Make a public token" }).click();
    await dialog.getByLabel("What for").fill("the shop");
    await dialog.getByLabel("recorded person").uncheck();
    await dialog.getByLabel("Classes").fill("retail");
    await shot(page, "admin-pages-new");
    await dialog.getByRole("button", { name: "Make it" }).click();
    const token = await page.locator("[data-secret]").textContent();
    equal("a public token", /^kib_[A-Za-z0-9]{43}$/.test(token), true);
    equal("the element", await page.locator("[data-script]").textContent(), `<script src="${server.url}/recorder.js"\n        data-token="${token}"></script>`);
    await shot(page, "admin-pages-made");
    await dialog.getByRole("button", { name: "Close" }).click();
    equal("it is shown once", (await page.content()).includes(token), false);
    await page.getByText("There are tokens, but no addresses").waitFor();
    await page.getByText("title, session, environment, tags, links, class: retail").waitFor();
    equal("refused", (await begin(token, "https://shop.example.org")).code, "origin-refused");

    const address = page.getByLabel("Add an address");
    await address.fill("no address");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("This is no address of a web page.").waitFor();
    for (const written of ["Shop.Example.org/cart", "https://*.example.org", "https://shop.example.org"]) {
      await address.fill(written);
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await eventually("taken", () => address.inputValue(), (x) => x === "");
    }
    await page.locator("[data-origins='2']").waitFor();
    await shot(page, "admin-pages");
    equal("taken", [(await begin(token, "https://shop.example.org")).status, (await begin(token, "https://help.example.org")).status, (await begin(token, "https://example.com")).code], [201, 201, "origin-refused"]);
    const stated = async (body) => (await call(server, "POST", `/v1/recordings?token=${token}`, { raw: JSON.stringify({ kind: "rrweb", ...body }), headers: { "Content-Type": "text/plain", Origin: "https://shop.example.org" } })).status;
    equal("what it may state", [await stated({ title: "a cart", class: "retail" }), await stated({ subject: "somebody" }), await stated({ class: "finance" })], [201, 403, 403]);
    await page.getByRole("button", { name: "Take https://*.example.org out" }).click();
    await page.locator("[data-origins='1']").waitFor();
    await eventually("no longer", () => begin(token, "https://help.example.org"), (r) => r.code === "origin-refused");

    await page.getByRole("row").filter({ hasText: "the shop" }).getByRole("button", { name: "End it" }).click();
    await dialog.getByRole("button", { name: "End it" }).click();
    await page.getByRole("row").filter({ hasText: "the shop" }).getByText("Ended").waitFor();
    equal("ended", (await begin(token, "https://shop.example.org")).status, 401);
    await page.setViewportSize({ width: 390, height: 800 });
    await eventually("no sideways scrolling on a small screen", () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), (x) => x, 3000);
    await shot(page, "admin-pages-small");
    equal("complaints", complaints, []);
  },

  async "rules: tried, proposed, agreed to by a second administrator"({ server, browser }) {
    await secondAdministrator(server);
    const complaints = [];
    const one = await admin(browser, server, "admin-one", complaints);
    const two = await admin(browser, server, "admin-two", complaints);
    await one.getByRole("link", { name: "Rules" }).click();
    await shot(one, "rules");
    await one.getByRole("button", { name: "Propose other rules" }).click();
    const text = one.getByLabel("Text of the rules").first();
    const now = await text.inputValue();
    await text.fill(now.replace(/max\s*=\s*60min/, "max      = 40min"));
    await one.getByRole("button", { name: "Run the test cases" }).click();
    await one.getByText("fails").first().waitFor();
    await one.getByRole("button", { name: "Propose", exact: true }).click();
    await one.getByText("Test cases in the text fail.").waitFor();
    await text.fill(now + "\nrule {");
    await one.getByRole("button", { name: "Propose", exact: true }).click();
    await one.locator("[data-line]").waitFor();
    await text.fill(now.replace(/default\s*=\s*30min/, "default  = 20min"));
    await one.getByRole("button", { name: "What would it have decided?" }).click();
    await one.getByText(/past requests/).waitFor();
    await one.getByLabel("Why?").fill("shorter by default");
    await shot(one, "rules-propose");
    await one.getByRole("button", { name: "Propose", exact: true }).click();
    await one.getByText("Proposed rules wait").waitFor();
    await one.getByText("You proposed this, so somebody else agrees.").waitFor();
    equal("own", await one.getByRole("button", { name: "Put in force" }).count(), 0);

    await two.getByRole("link", { name: "Rules" }).click();
    await two.locator("pre.diff ins").first().waitFor();
    await shot(two, "rules-waiting");
    await two.getByRole("button", { name: "Put in force" }).click();
    await two.getByText("Proposed rules wait").waitFor({ state: "hidden" });
    await eventually("in force", () => one.locator("pre.code").last().textContent(), (x) => x.includes("default = 20min") || /default\s+= 20min/.test(x));
    equal("complaints", complaints, []);
  },

  async "a guarded change waits, and can be stopped or agreed to"({ server, browser }) {
    const complaints = [];
    const one = await admin(browser, server, "admin-one", complaints);
    const two = await admin(browser, server, "admin-two", complaints);
    await section(one, "Groups");
    const add = async (name) => {
      await one.locator("tr[data-group=approvers]").getByRole("button", { name: "Change" }).click();
      const members = one.getByRole("dialog").getByLabel("Members");
      await members.fill((await members.inputValue()) + ", " + name);
      await one.getByRole("dialog").getByRole("button", { name: "Save" }).click();
      await one.getByText("Nothing has changed yet").waitFor();
    };
    await add("engineer");
    await section(two, "Waiting changes");
    await two.getByText("Change a group: approvers").first().waitFor();
    await shot(two, "admin-changes");
    await two.getByRole("button", { name: "Stop it" }).click();
    await two.getByText("Nothing waits.").waitFor();
    await add("engineer-two");
    await two.reload();
    await two.getByRole("button", { name: "Agree" }).click();
    await two.getByText("Nothing waits.").waitFor();
    await section(one, "Groups");
    await one.locator("tr[data-group=approvers]").getByText("engineer-two").waitFor();
    equal("complaints", complaints, []);
  },

  async "reports: who watched what"({ server, browser }) {
    const complaints = [];
    const page = await person(browser, server, "auditor", complaints);
    await page.getByRole("link", { name: "Reports" }).click();
    await page.getByLabel("Report", { exact: true }).selectOption("person");
    await page.getByLabel("Person").fill("engineer");
    await page.getByRole("button", { name: "Make the report" }).click();
    await page.getByText("What engineer watched").waitFor();
    await shot(page, "reports");
    equal("complaints", complaints, []);
  },
});
