import { useSignal } from "@preact/signals";
import type { Grant, Problem, Request } from "../../api/types";
import { problemFrom } from "../../lib/http";
import { useList } from "../../lib/load";
import { useSession } from "../../lib/session";
import { span, when } from "../../lib/words";
import { t } from "../../texts";
import { StateBadge, titleOf } from "../../ui/about";
import { Button, Card, Empty, Link, Loading, Notice, PageHead, TimeLeft, Trouble } from "../../ui/parts";

export function GiveBack({ grant, onDone }: { grant: Grant; onDone?: () => void }) {
  const s = useSession();
  const trouble = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  if (!grant.can?.includes("relinquish")) return null;
  return (
    <>
      <Button data-tour="give-back" busy={busy.value} onClick={() => {
        busy.value = true;
        s.client.send<Grant>("POST", `/v1/grants/${grant.id}/relinquish`).then(
          () => { busy.value = false; onDone?.(); },
          (e: unknown) => { busy.value = false; trouble.value = problemFrom(e); });
      }}>{t("myaccess.give_back")}</Button>
      <Trouble problem={trouble.value} />
    </>
  );
}

export function AccessPage() {
  const concerns = (c: { type: string }) => c.type === "grant" || c.type === "request";
  const live = useList<Grant>("/v1/grants", { box: "mine", state: "live" }, concerns);
  const asked = useList<Request>("/v1/requests", { box: "mine", state: "PENDING" }, concerns);
  const past = useList<Request>("/v1/requests", { box: "mine" }, concerns);
  const said = useSignal("");
  const before = (past.data.value?.items ?? []).filter((q) => q.state !== "PENDING" && q.state !== "ACTIVE" && q.state !== "SCHEDULED" && q.state !== "SUSPENDED");

  return (
    <>
      <PageHead title={t("myaccess.title")} />
      <Trouble problem={live.trouble.value ?? asked.trouble.value} again={live.again} />
      {said.value !== "" && <Notice tone="good" live>{said.value}</Notice>}
      <Card title={t("myaccess.live")} tone="good">
        {live.data.value === undefined ? <Loading /> : live.data.value.items.length === 0 ? <Empty text="myaccess.live_empty" /> : (
          <ul class="plain rows">
            {live.data.value.items.map((g) => (
              <li key={g.id} data-grant={g.id}>
                <StateBadge state={g.state} />
                {g.recordings.map((r) => <Link key={r.id} to={`/recordings/${r.id}`}>{titleOf(r)}</Link>)}
                {g.window ? <TimeLeft until={g.window.end} /> : <span class="help">{g.start === "first-use" ? t("myaccess.at_first_use") : when(g.opens_by)} ({span(g.duration_s)})</span>}
                {g.ends_early && <span class="help">{t("one.ends_early.ticket")}</span>}
                <Link to={`/access/${g.id}`}>{t("common.details")}</Link>
                <GiveBack grant={g} onDone={() => { said.value = t("myaccess.given"); live.again(); }} />
              </li>
            ))}
          </ul>
        )}
        <p class="help">{t("myaccess.give_back_note")}</p>
      </Card>
      {asked.data.value && asked.data.value.items.length > 0 && (
        <Card title={t("myaccess.waiting")} tone="warm">
          <ul class="plain rows">
            {asked.data.value.items.map((q) => (
              <li key={q.id}><StateBadge state={q.state} /> <Link to={`/requests/${q.id}`}>{q.recordings.map(titleOf).join(", ")}</Link> <span class="help">{q.purpose.code} · {span(q.duration_s)} · {when(q.created_at)}</span></li>
            ))}
          </ul>
        </Card>
      )}
      <Card title={t("myaccess.past")}>
        {past.data.value === undefined ? <Loading /> : before.length === 0 ? <Empty text="myaccess.past_empty" /> : (
          <ul class="plain rows">
            {before.map((q) => (
              <li key={q.id}><StateBadge state={q.state} /> <Link to={`/requests/${q.id}`}>{q.recordings.map(titleOf).join(", ")}</Link> <span class="help">{q.purpose.code} · {when(q.created_at)}</span></li>
            ))}
          </ul>
        )}
        {past.data.value?.cursor && <Button onClick={() => void past.more()}>{t("common.more")}</Button>}
      </Card>
    </>
  );
}
