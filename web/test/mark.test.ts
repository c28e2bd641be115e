/*
 * What an export puts into a page's recording, in rrweb's own Replayer in Chromium: whatever the recorded page's style says, it is seen, and the
 * page beside it as it was.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { page as made } from "../../tests/hostile/make.mjs";

const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const program = join(process.env["KEYHOLE_BUILD"] ?? join(__dirname, "../../build"), "tests/sanitize");
const MARK = "Exported from Keyhole by engineer, 2026-11-22";

interface Event { type: number; keyhole?: boolean; data: { adds?: { parentId: number; node: { id: number } }[] }; timestamp: number }

const text = (textContent: string) => ({ type: 3, textContent });
const element = (tagName: string, attributes: object, childNodes: object[]) => ({ type: 2, tagName, attributes, childNodes });

/* As the server gives it on: cleaned, and the mark behind each full snapshot. */
function exported(css: string, body: object[] = [], later: object[] = []): Event[] {
  const events = [...made([element("p", { class: "said" }, [text("the page")]), ...body], [element("style", {}, [text(css)])]), ...later.map((data) => ({ type: 3, timestamp: 1_760_000_000_050, data: { source: 0, texts: [], attributes: [], removes: [], adds: [], ...data } })), { type: 3, timestamp: 1_760_000_000_100, data: { source: 1, positions: [{ x: 1, y: 1, id: 5, timeOffset: 0 }] } }];
  const run = spawnSync(program, ["--mark", MARK], { input: events.map((e) => JSON.stringify(e) + "\n").join(""), encoding: "utf8" });
  expect(run.status).toBe(0);
  const out = run.stdout.trim().split("\n").map((l) => JSON.parse(l) as Event);
  expect(out.length).toBe(events.length + 1 + later.length);
  return out.map((e, i) => (e.keyhole ? { ...e, timestamp: (out[i - 1]?.timestamp ?? 0) + 1 } : e));
}

const HIDING: [string, string][] = [
  ["nothing", ""],
  ["everything of its kind, by every means", "dialog, div, html > *:last-child, [data-keyhole], [inert] { display: none !important; opacity: 0 !important; visibility: hidden !important; clip-path: inset(50%) !important; height: 0 !important; font-size: 0 !important; color: transparent !important; zoom: .01 !important; translate: -5000px !important }"],
  ["in a layer, whose important rules beat those outside", "@layer a { dialog { display: none !important; opacity: 0 !important; inset: -9999px !important } }"],
  ["an animation and a transition", "dialog { animation: gone 1s infinite; transition: opacity 9s } @keyframes gone { from, to { opacity: 0; transform: scale(0) } }"],
  ["shifting the root, and its body back", "html { transform: translateX(-3000px) } body { transform: translateX(3000px) }"],
  ["a root that clips", "html { contain: paint; height: 40px; overflow: hidden; will-change: transform }"],
  ["a root that is no longer seen, with a body that is", "html { visibility: hidden; filter: opacity(.99) } body { visibility: visible }"],
  ["something fixed above all", "html::after { content: ''; position: fixed; left: 0; right: 0; bottom: 0; height: 80px; z-index: 2147483647; background: #fff }"],
  ["a backdrop", "dialog::backdrop, ::backdrop { background: #fff !important; display: block !important; z-index: 9 }"],
  ["text that is hidden in other ways", "* { -webkit-text-security: disc; text-indent: -9999px; letter-spacing: -1em; -webkit-text-fill-color: transparent; mix-blend-mode: difference; direction: rtl; unicode-bidi: bidi-override }"],
];

describe.skipIf(!existsSync(executable) || !existsSync(program))("the mark of an exported page", () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox"] });
    page = await browser.newPage({ viewport: { width: 900, height: 700 } });
    await page.setContent("<!doctype html><body style='margin:0'><input id=own style='position:fixed;right:0;top:0;width:40px'></body>");
    await page.addScriptTag({ path: join(__dirname, "../node_modules/@rrweb/replay/dist/replay.umd.min.cjs") });
  }, 30_000);
  afterAll(async () => { await browser?.close(); });

  /* Plays, or jumps; then counts what is light and what is dark at the foot, and looks at the page above. */
  async function seen(events: Event[], jump: boolean) {
    await page.focus("#own");
    await page.evaluate(async ({ list, seek }) => {
      const w = window as unknown as { r?: { destroy(): void; play(t: number): void; pause(t: number): void }; rrwebReplay: { Replayer: new (e: unknown, o: object) => NonNullable<typeof w.r> } };
      w.r?.destroy();
      document.querySelector("#root")?.remove();
      const root = document.body.appendChild(document.createElement("div"));
      root.id = "root";
      w.r = new w.rrwebReplay.Replayer(list, { root, showWarning: false, mouseTail: false });
      if (seek) w.r.pause(200);
      else w.r.play(0);
      await new Promise((ok) => setTimeout(ok, 350));
    }, { list: events, seek: jump });
    const picture = await page.screenshot({ clip: { x: 2, y: 2, width: 800, height: 600 } });
    return page.evaluate(async (b64) => {
      const img = new Image();
      img.src = "data:image/png;base64," + b64;
      await img.decode();
      const c = Object.assign(document.createElement("canvas"), { width: 800, height: 600 });
      const g = c.getContext("2d");
      g?.drawImage(img, 0, 0);
      const d = (y: number, h: number) => g?.getImageData(0, y, 800, h).data ?? new Uint8ClampedArray();
      const strip = d(578, 22);
      let light = 0;
      let dark = 0;
      for (let i = 0; i < strip.length; i += 4) {
        if ((strip[i] ?? 0) > 200) light++;
        else if ((strip[i] ?? 255) < 100) dark++;
      }
      return { light, dark, white: d(300, 1)[0], focus: document.activeElement?.id };
    }, picture.toString("base64"));
  }

  it.each(HIDING)("is seen: %s", async (_, css) => {
    for (const jump of [false, true]) {
      const s = await seen(exported(css), jump);
      expect(s.dark).toBeGreaterThan(15_000); // of 17,600
      expect(s.light).toBeGreaterThan(400); // letters
      expect(s.focus).toBe("own"); // whoever plays it keeps the focus
      if (css === "") expect(s.white).toBe(255); // and the page is not dimmed
    }
  }, 20_000);

  it("is seen above a dialog that the page had open", async () => {
    const s = await seen(exported("#theirs { position: fixed; inset: 0; max-width: none; max-height: none; width: 100%; height: 100%; margin: 0; border: 0; background: #fff }", [element("dialog", { id: "theirs", open: "", rr_open_mode: "modal" }, [text("theirs")])]), true);
    expect([s.dark > 15_000, s.light > 400, s.white]).toEqual([true, true, 255]);
  }, 20_000);

  const COVER = "#theirs { position: fixed; inset: 0; max-width: none; max-height: none; width: 100%; height: 100%; margin: 0; border: 0; background: #fff }";
  const dialog = { ...element("dialog", { id: "theirs", open: "", rr_open_mode: "modal" }, []), id: 900 };
  it.each([
    ["comes with one", [], [{ adds: [{ parentId: 5, nextId: null, node: dialog }] }]],
    ["opens one that was there", [{ ...element("dialog", { id: "theirs" }, []) }], "opens"],
    ["opens two", [], [{ adds: [{ parentId: 5, nextId: null, node: dialog }] }, { adds: [{ parentId: 5, nextId: null, node: { ...dialog, id: 901 } }] }]],
  ] as [string, object[], object[] | "opens"][])("is seen above a dialog that is opened later: the page %s", async (_, body, later) => {
    const find = (n: { id: number; tagName?: string; childNodes?: object[] }): number | undefined => n.tagName === "dialog" ? n.id : (n.childNodes as (typeof n)[] | undefined)?.map(find).find((id) => id !== undefined);
    const first = exported(COVER, body);
    const there = later === "opens" ? find((first.find((e) => e.type === 2)?.data as unknown as { node: { id: number } }).node) : undefined;
    const events = exported(COVER, body, later === "opens" ? [{ attributes: [{ id: there, attributes: { open: "", rr_open_mode: "modal" } }] }] : later);
    for (const jump of [false, true]) {
      const s = await seen(events, jump);
      expect([s.dark > 15_000, s.light > 400, s.white]).toEqual([true, true, 255]);
    }
  }, 20_000);

  it("has numbers that no recording could have named, and hangs on the root", () => {
    const mark = exported("").find((e) => e.keyhole);
    expect(mark?.data.adds?.map((a) => [a.parentId, a.node.id])).toEqual([[3, 1_000_000_007], [1_000_000_007, 1_000_000_008], [1_000_000_008, 1_000_000_009], [1_000_000_007, 1_000_000_010]]);
  });
});
