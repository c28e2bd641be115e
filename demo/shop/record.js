/*
 * This page records itself, as any page does that has this element in it:
 *
 *   <script src="https://rec.example.org/recorder.js" data-token="kib_…" data-title="A visitor in the shop" data-unmask="header, #products, …"></script>
 *
 * Only the token is asked for here, because each demo has one of its own. Without a Keyhole demo around it (demo/record-shop.mjs) nothing is recorded.
 * What the visitor types into the order stays hidden: the form is not in data-unmask.
 */
const saying = {
  "": "This page begins to record itself …",
  recording: "This page records itself while you use it. What you type into the order is hidden.",
  stopped: "The recording has ended.",
  off: "This page is not being recorded.",
};

function tellState() {
  const bar = document.getElementById("recorded");
  const state = window.keyhole?.state ?? "";
  bar.hidden = false;
  bar.className = state === "recording" ? "" : "off";
  bar.querySelector("span").textContent = saying[state] ?? saying.off;
  document.getElementById("stop-recording").hidden = state !== "recording";
}

async function recordItself() {
  const answer = await fetch("/v1/demo").catch(() => null);
  const shop = answer?.ok ? (await answer.json()).shop : null;
  if (!shop) return;
  const script = document.createElement("script");
  script.src = shop.server + "/recorder.js";
  script.dataset.token = shop.token;
  script.dataset.title = "A visitor in the shop";
  script.dataset.tags = "shop";
  script.dataset.unmask = "header, #products, #cart, #banner, h1, footer, aside";
  script.onload = tellState;
  document.head.append(script);
  document.getElementById("stop-recording").onclick = () => { void window.keyhole?.stop().then(tellState); };
  setInterval(tellState, 1000);
}
addEventListener("DOMContentLoaded", () => { void recordItself(); });
