import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Demo } from "../../api/types";
import { View } from "../../app";
import { problemFrom, ApiError } from "../../lib/http";
import type { Session } from "../../lib/session";
import { t, tOr, type TextName } from "../../texts";
import { Button, Notice, PageHead } from "../../ui/parts";
import { runStory, signIn, STEPS, Stopped, type Cast } from "./story";

export function TourPage({ demo }: { demo: Demo }) {
  const step = useSignal(-1);
  const trouble = useSignal("");
  const running = useSignal(false);
  const cast = useSignal<Cast | null>(null);
  const shown = useSignal<Session | null>(null);
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const stop = useRef<AbortController | null>(null);

  function leave(): void {
    stop.current?.abort();
    for (const s of [cast.value?.engineer, cast.value?.approver, cast.value?.auditor]) void s?.signOut().catch(() => {});
    cast.value = null;
  }
  useEffect(() => leave, []);

  async function run(): Promise<void> {
    leave();
    const own = (stop.current = new AbortController());
    running.value = true;
    trouble.value = "";
    step.value = 0;
    try {
      const people: Cast = {
        engineer: await signIn(demo, "engineer", "/recordings"),
        approver: await signIn(demo, "approver", "/inbox"),
        auditor: demo.accounts.some((a) => a.name === "auditor") ? await signIn(demo, "auditor", "/audit") : null,
      };
      if (own.signal.aborted) throw new Stopped();
      cast.value = people;
      shown.value = people.approver;
      await new Promise((r) => setTimeout(r, 1500));
      if (left.current === null || right.current === null) throw new Stopped();
      await runStory({ left: left.current, right: right.current }, people, (n) => { step.value = n; }, (s) => { shown.value = s; }, own.signal);
    } catch (e) {
      if (!(e instanceof Stopped)) trouble.value = t("tour.failed", { what: e instanceof ApiError ? tOr(`code.${problemFrom(e).code}`, "code.unknown") : e instanceof Error ? e.message : "" });
    }
    if (stop.current === own) running.value = false;
  }

  return (
    <div class="tour-page">
      <main id="content">
        <PageHead title={t("tour.title")}>
          <div class="row">
            {running.value ? <Button onClick={() => { stop.current?.abort(); running.value = false; }}>{t("tour.stop")}</Button>
              : <Button look="main" onClick={() => void run()}>{t(step.value < 0 ? "tour.start" : "tour.again")}</Button>}
          </div>
        </PageHead>
        <ol class="tour-steps" aria-hidden="true">{Array.from({ length: STEPS }, (_, i) => <li key={i} class={i <= step.value ? "done" : ""} />)}</ol>
        <p class="tour-said" role="status" data-step={step.value}>{step.value < 0 ? t("demo.home.text") : t(`tour.step.${step.value}` as TextName)}</p>
        {trouble.value !== "" && <Notice tone="bad">{trouble.value}</Notice>}
        {cast.value !== null && shown.value !== null && (
          <div class="tour">
            <section class="tour-side" ref={left}><h2>{t("tour.left", { name: cast.value.engineer.me.value?.user.name ?? "" })}</h2><div class="tour-window"><View session={cast.value.engineer} /></div></section>
            <section class="tour-side" ref={right}><h2>{t("tour.left", { name: shown.value.me.value?.user.name ?? "" })}</h2><div class="tour-window"><View key={shown.value.me.value?.user.id} session={shown.value} /></div></section>
          </div>
        )}
      </main>
    </div>
  );
}
