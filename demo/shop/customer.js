/*
 * A visitor who goes through the shop by itself, for the tour, which shows this page in a frame: "come" looks around, "buy" fills a cart and orders, "leave"
 * goes away. A page that is opened by a person does nothing of that.
 */
const calm = (ms) => new Promise((ok) => setTimeout(ok, ms));
const say = (what) => parent.postMessage({ shop: what }, "*"); // says nothing that is not on the page

async function reach(selector) {
  const target = document.querySelector(selector);
  target.scrollIntoView({ block: "nearest", behavior: "smooth" });
  await calm(200);
  const box = target.getBoundingClientRect();
  for (let i = 1; i <= 8; i++) {
    document.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: (innerWidth / 2) * (1 - i / 8) + ((box.left + box.width / 2) * i) / 8, clientY: (innerHeight / 2) * (1 - i / 8) + ((box.top + box.height / 2) * i) / 8 }));
    await calm(30);
  }
  target.classList.add("touched");
  await calm(250);
  target.classList.remove("touched");
  return target;
}
async function press(selector) {
  (await reach(selector)).click();
  await calm(450);
}
async function write(selector, text) {
  const field = await reach(selector);
  field.focus({ preventScroll: true });
  for (let i = 1; i <= text.length; i++) {
    field.value = text.slice(0, i);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await calm(50);
  }
  await calm(250);
}

const acts = {
  async come() {
    await reach("#add-boots");
    await press("#add-tent");
  },
  async buy() {
    await press("#add-pack");
    await press("#add-map");
    await press("#cart-link");
    await write("#code", "AUTUMN15");
    await press("#apply");
    await press("#checkout");
    await write("#name", "Sample Customer");
    await write("#street", "12 Example Lane");
    await write("#card", "4000000000000002");
    await press("#place");
    await calm(2600);
  },
  async leave() {
    await window.keyhole?.stop();
  },
};

const ours = (origin) => {
  const from = new URL(origin);
  return from.port === location.port && (from.hostname === "localhost" || from.hostname.endsWith(".localhost"));
};
if (parent !== self)
  addEventListener("message", (e) => {
    if (e.source !== parent || !ours(e.origin) || !Object.hasOwn(acts, e.data?.shop)) return;
    void acts[e.data.shop]().then(() => say(e.data.shop + " done"));
  });
addEventListener("load", () => { if (parent !== self) say("ready"); });
