import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Demo } from "../../api/types";
import { View } from "../../app";
import { problemFrom, ApiError } from "../../lib/http";
import type { Session } from "../../lib/session";
import { t, tOr } from "../../texts";
import { Button, Notice, PageHead } from "../../ui/parts";
import { CHAPTERS, runChapter, signIn, Stopped, type Cast, type Chapter, type Visitor } from "./story";

const PATIENCE_MS = 60_000;

/* What the shop in the frame says; it does one thing at a time. */
function visitorIn(frame: HTMLIFrameElement, origin: string, stop: AbortSignal): Visitor & { ready: Promise<void> } {
  const said = (word: string): Promise<void> => new Promise((ok, fail) => {
    const done = (end: () => void) => { removeEventListener("message", hear); clearTimeout(timer); end(); };
    const hear = (e: MessageEvent<{ shop?: unknown } | null>) => { if (e.source === frame.contentWindow && e.origin === origin && e.data?.shop === word) done(ok); };
    const timer = setTimeout(() => done(() => fail(new Error(word))), PATIENCE_MS);
    addEventListener("message", hear);
    stop.addEventListener("abort", () => done(() => fail(new Stopped())), { once: true });
  });
  return {
    ready: said("ready"),
    ask(act) {
      const done = said(`${act} done`);
      frame.contentWindow?.postMessage({ shop: act }, origin);
      return done;
    },
  };
}

const CHAPTER_NAMES = Object.keys(CHAPTERS) as Chapter[];

export function TourPage({ demo }: { demo: Demo }) {
  const NAMES = CHAPTER_NAMES.filter((c) => c !== "page" || demo.shop);
  const chapter = useSignal<Chapter>("story");
  const step = useSignal(-1);
  const trouble = useSignal("");
  const running = useSignal(false);
  const cast = useSignal<Cast | null>(null);
  const leftOne = useSignal<Session | null>(null);
  const rightOne = useSignal<Session | null>(null);
  const shop = useSignal(false); // on the left, in place of somebody's view
  const frame = useRef<HTMLIFrameElement>(null);
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const stop = useRef<AbortController | null>(null);

  function leave(): void {
    stop.current?.abort();
    for (const s of Object.values(cast.value ?? {}) as Session[]) void s.signOut().catch(() => {});
    cast.value = null;
  }
  useEffect(() => leave, []);

  async function run(which: Chapter): Promise<void> {
    leave();
    const own = (stop.current = new AbortController());
    chapter.value = which;
    running.value = true;
    trouble.value = "";
    step.value = 0;
    shop.value = false;
    try {
      const people: Cast = {
        engineer: await signIn(demo, "engineer", "/recordings"),
        second: await signIn(demo, "second-engineer", "/recordings"),
        approver: await signIn(demo, "approver", "/inbox"),
        lead: await signIn(demo, "lead", "/watching"),
        auditor: await signIn(demo, "auditor", "/audit"),
      };
      if (own.signal.aborted) throw new Stopped();
      cast.value = people;
      leftOne.value = people.engineer;
      rightOne.value = people.approver;
      await new Promise((r) => setTimeout(r, 1500));
      if (left.current === null || right.current === null) throw new Stopped();
      await runChapter(which, {
        left: left.current, right: right.current, stop: own.signal,
        say: (n) => { step.value = n; },
        show: (side, s) => { (side === "left" ? leftOne : rightOne).value = s; },
        async open() {
          const url = demo.shop?.url;
          if (url === undefined) throw new Error(t("tour.no_shop"));
          shop.value = true;
          await new Promise((r) => setTimeout(r, 50)); // until the frame is there
          if (frame.current === null) throw new Stopped();
          const visitor = visitorIn(frame.current, url, own.signal);
          frame.current.src = `${url}/`;
          await visitor.ready;
          return visitor;
        },
      }, people);
    } catch (e) {
      if (!(e instanceof Stopped)) trouble.value = t("tour.failed", { what: e instanceof ApiError ? tOr(`code.${problemFrom(e).code}`, "code.unknown") : e instanceof Error ? e.message : "" });
    }
    if (stop.current === own) running.value = false;
  }

  const now = chapter.value;
  const after = NAMES[NAMES.indexOf(now) + 1];
  const said = step.value < 0 ? t("demo.home.text") : step.value === 0 ? t("tour.step.0") : tOr(now === "story" ? `tour.step.${step.value}` : `tour.${now}.${step.value}`, "tour.step.0");
  return (
    <div class="tour-page">
      <main id="content">
        <PageHead title={t("tour.title")}>
          <div class="row">
            {running.value ? <Button onClick={() => { stop.current?.abort(); running.value = false; }}>{t("tour.stop")}</Button> : (
              <>
                <Button look="main" onClick={() => void run(now)}>{t(step.value < 0 ? "tour.start" : "tour.again")}</Button>
                {step.value >= 0 && after !== undefined && <Button onClick={() => void run(after)}>{t("tour.next", { name: t(`tour.chapter.${after}`) })}</Button>}
              </>
            )}
          </div>
        </PageHead>
        <div class="row" role="group" aria-label={t("tour.chapters")}>
          {NAMES.map((c) => <button key={c} type="button" class="chip chapter" aria-pressed={c === now} disabled={running.value} onClick={() => void run(c)}>{t(`tour.chapter.${c}`)}</button>)}
        </div>
        <ol class="tour-steps" aria-hidden="true">{Array.from({ length: CHAPTERS[now] }, (_, i) => <li key={i} class={i <= step.value ? "done" : ""} />)}</ol>
        <p class="tour-said" role="status" data-step={step.value} data-chapter={now} data-running={running.value}>{said}</p>
        {trouble.value !== "" && <Notice tone="bad">{trouble.value}</Notice>}
        {cast.value !== null && leftOne.value !== null && rightOne.value !== null && (
          <div class="tour">
            {([[left, leftOne.value], [right, rightOne.value]] as const).map(([ref, s], i) => (
              i === 0 && shop.value ? <section key="shop" class="tour-side"><h2>{t("tour.shop")}</h2><iframe class="tour-window" ref={frame} title={t("tour.shop")} referrerpolicy="no-referrer" /></section>
              : <section key={i} class="tour-side" ref={ref}><h2>{t("tour.left", { name: s.me.value?.user.name ?? "" })}</h2><div class="tour-window"><View key={s.me.value?.user.id} session={s} /></div></section>
            ))}
          </div>
        )}
      </main>
    </div>
  );
}
