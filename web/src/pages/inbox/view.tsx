import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Grant, Request } from "../../api/types";
import { useList } from "../../lib/load";
import { useSession } from "../../lib/session";
import { span, when } from "../../lib/words";
import { t } from "../../texts";
import { StateBadge, titleOf } from "../../ui/about";
import { Button, Card, Empty, Link, Loading, Notice, PageHead, Trouble } from "../../ui/parts";
import { EmergencyFacts, ReviewForm } from "../access/one";
import { RequestFacts, VoteForm } from "../request/view";

/* Uses of emergency access that wait for somebody who looks at them. */
function Reviews() {
  const grants = useList<Grant>("/v1/grants", { box: "all", limit: 100 }, (c) => c.type === "grant" || c.type === "request");
  const due = (grants.data.value?.items ?? []).filter((g) => g.break_glass && (g.review === "due" || g.review === "overdue"));
  if (due.length === 0) return null;
  return (
    <Card title={t("review.waiting")} tone="bad">
      <ul class="plain stack">
        {due.map((g) => (
          <li key={g.id} data-review={g.id}>
            <p><StateBadge state={g.state} /> <Link to={`/access/${g.id}`}>{t("review.of", { name: g.holder.name, incident: g.break_glass?.incident ?? "" })}</Link> <span class="help">{g.recordings.map(titleOf).join(", ")}</span></p>
            <EmergencyFacts g={g} />
            <ReviewForm g={g} onDone={grants.again} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

export function InboxPage() {
  const s = useSession();
  const waiting = useList<Request>("/v1/requests", { box: "inbox" }, (c) => c.type === "request");
  const recent = useList<Request>("/v1/requests", { box: "all", limit: 20 }, (c) => c.type === "request" || c.type === "grant");
  const said = useSignal("");
  const known = useRef<Set<string> | null>(null);
  const items = waiting.data.value?.items;

  // What arrives while one reads is announced, not only shown.
  useEffect(() => {
    if (items === undefined) return;
    if (known.current !== null && items.some((q) => !known.current?.has(q.id))) said.value = t("inbox.arrived");
    known.current = new Set(items.map((q) => q.id));
  }, [items]);

  const mine = s.me.value?.user.id;
  const decided = (recent.data.value?.items ?? []).filter((q) => q.state !== "PENDING" && q.requester.id !== mine).slice(0, 10);
  return (
    <>
      <PageHead title={t("inbox.title")}><p class="lead">{t("inbox.lead")}</p></PageHead>
      <div role="status" class="hidden">{said.value}</div>
      <Trouble problem={waiting.trouble.value} again={waiting.again} />
      {items === undefined ? waiting.trouble.value === null && <Loading /> : items.length === 0 ? <Empty text="inbox.empty" /> : (
        <ul class="plain stack">
          {items.map((q) => (
            <li key={q.id} data-request={q.id}>
              <Card title={t("inbox.asks", { name: q.requester.name, time: span(q.duration_s) })} tone="warm">
                <RequestFacts q={q} />
                <VoteForm q={q} onVoted={(n) => {
                  said.value = n.state === "DENIED" ? t("vote.done.deny") : t("vote.done.approve");
                  waiting.again();
                }} />
              </Card>
            </li>
          ))}
        </ul>
      )}
      {said.value !== "" && said.value !== t("inbox.arrived") && <Notice tone="good">{said.value}</Notice>}
      {waiting.data.value?.cursor && <Button onClick={() => void waiting.more()}>{t("common.more")}</Button>}
      <Reviews />
      {decided.length > 0 && (
        <Card title={t("inbox.recent")}>
          <ul class="plain rows">
            {decided.map((q) => (
              <li key={q.id}><StateBadge state={q.state} /> <Link to={`/requests/${q.id}`}>{q.requester.name}: {q.recordings.map(titleOf).join(", ")}</Link> <span class="help">{when(q.decided_at ?? q.created_at)}</span></li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
