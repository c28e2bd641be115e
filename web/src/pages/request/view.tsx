import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Problem, Request } from "../../api/types";
import { checkedDigest } from "../../lib/digest";
import { problemFrom } from "../../lib/http";
import { useLoad } from "../../lib/load";
import { mayProve } from "../../lib/proof";
import { useSession, withFresh } from "../../lib/session";
import { span, when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { actionsText, beforehandText, LinkedList, RecordingLine, startText, StateBadge } from "../../ui/about";
import { Button, Card, Facts, Field, Link, Loading, Notice, PageHead, Trouble } from "../../ui/parts";
import { MissingPage } from "../other/view";

/* Everything that the digest covers, as people read it. */
export function RequestFacts({ q }: { q: Request }) {
  return (
    <Facts rows={[
      [t("request.who"), <b>{q.requester.name}</b>],
      [t("request.what"), <ul class="plain">{q.recordings.map((r) => <li key={r.id}><RecordingLine r={r} /></li>)}</ul>],
      [t("request.actions"), q.actions.includes("unmask") ? <>{actionsText(q.actions)} <b data-unmask>{t("request.unmask")}</b></> : actionsText(q.actions)],
      [t("request.purpose"), q.purpose.code],
      [t("request.reason"), <span class="reason">{q.purpose.reason}</span>],
      [t("request.ticket"), q.purpose.ticket],
      [t("request.duration"), span(q.duration_s)],
      [t("request.start"), startText(q)],
      [t("request.viewers"), (q.viewers?.length ?? 1) > 1 && q.viewers?.map((p) => p.name).join(", ")],
      [t("request.beforehand"), beforehandText(q)],
      [t("request.extends"), q.extends && <LinkedTo q={q} />],
      [t("request.break_glass"), q.break_glass && <><b>{q.break_glass.incident}</b> <span class="reason">{q.break_glass.reason}</span></>],
      [t("common.project"), q.project_name],
      [t("request.env"), q.env],
      [t("request.rule"), q.rule],
      [t("request.asked"), when(q.created_at)],
      [t("request.lapses"), q.state === "PENDING" && when(q.lapses_at)],
      [t("request.votes", { n: q.need }), q.need > 0 && <><Progress q={q} /><Votes q={q} /></>],
    ]} />
  );
}

/* What it goes on with: more time, watching along, a further recording. */
function LinkedTo({ q }: { q: Request }) {
  const x = q.extends;
  if (!x) return null;
  return <Link to={`/access/${x.grant}`}>{t(`request.extends.${x.kind}`, { name: x.holder?.name ?? q.requester.name })}</Link>;
}

/* How many of how many have agreed, and who is still needed. */
export function Progress({ q }: { q: Request }) {
  const agreed = q.votes.filter((v) => v.vote === "approve").length;
  const left = Math.max(0, q.need - agreed);
  return (
    <div class="progress" data-agreed={agreed} data-need={q.need}>
      <p><progress max={q.need} value={Math.min(agreed, q.need)} aria-label={t("wait.progress", { n: agreed, need: q.need })} /> {t("wait.progress", { n: agreed, need: q.need })}</p>
      {q.groups?.map((g) => <p key={g.name} class="help">{t("ask.need.group", { n: g.min ?? 1, group: g.name ?? "" })}</p>)}
      {q.state === "PENDING" && left > 0 && q.approvers && q.approvers.length > 0 && <p class="help">{t("wait.still", { n: left, names: q.approvers.map((p) => p.name).join(", ") })}</p>}
    </div>
  );
}

function Votes({ q }: { q: Request }) {
  if (q.votes.length === 0) return <span>{t("request.votes_none")}</span>;
  return (
    <ul class="plain">
      {q.votes.map((v) => (
        <li key={v.voter.id}>{t(`request.vote.${v.vote}`, { name: v.voter.name, time: when(v.at) })}{v.comment && <div class="reason">{v.comment}</div>}</li>
      ))}
    </ul>
  );
}

/*
 * The vote. The digest is computed here, from what RequestFacts shows; when it is not the one the server holds, there is nothing
 * to press. An older sign-in is confirmed in place: the comment stays.
 */
export function VoteForm({ q, onVoted }: { q: Request; onVoted: (q: Request) => void }) {
  const s = useSession();
  const comment = useSignal("");
  const digest = useSignal<string | null | undefined>(undefined);
  const trouble = useSignal<Problem | null>(null);
  const busy = useSignal<"" | "approve" | "deny">("");

  useEffect(() => {
    let gone = false;
    if (digest.value !== q.digest) digest.value = undefined; // what is the same stays there while it is checked again: nobody's click is lost
    checkedDigest(q).catch(() => null).then((d) => { if (!gone) digest.value = d; });
    return () => { gone = true; };
  }, [q]);

  if (!q.can?.includes("approve") && !q.can?.includes("deny"))
    return q.state === "PENDING" && q.why_not ? <Notice>{tOr(`vote.not.${q.why_not}`, "vote.not.no-role")}</Notice> : null;
  if (!mayProve()) return <Notice tone="bad">{t("app.unproved")}</Notice>;
  if (digest.value === undefined) return <p class="help">{t("vote.checking")}</p>;
  if (digest.value === null) return <Notice tone="bad">{t("vote.mismatch")}</Notice>;

  async function vote(which: "approve" | "deny"): Promise<void> {
    busy.value = which;
    trouble.value = null;
    try {
      const body = { digest: digest.value, ...(comment.value.trim() === "" ? {} : { comment: comment.value.trim() }) };
      onVoted(await withFresh(s, () => s.client.send<Request>("POST", `/v1/requests/${q.id}/${which}`, body)));
    } catch (e) {
      trouble.value = problemFrom(e).code === "reauth-needed" ? null : problemFrom(e);
    }
    busy.value = "";
  }

  return (
    <form class="vote" aria-label={t("vote.title")} onSubmit={(e) => e.preventDefault()}>
      <Field label={t("vote.comment")} help={t("vote.comment_help")}>{(ids) => (
        <textarea {...ids} rows={2} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />
      )}</Field>
      <p class="help" data-digest={digest.value}>{t("vote.checked", { digest: digest.value.slice(0, 8) })}</p>
      <Trouble problem={trouble.value} />
      <div class="row">
        {q.can.includes("approve") && <Button look="main" data-tour="approve" busy={busy.value === "approve"} disabled={busy.value !== ""} onClick={() => void vote("approve")}>{t("vote.approve")}</Button>}
        {q.can.includes("deny") && <Button look="danger" busy={busy.value === "deny"} disabled={busy.value !== ""} onClick={() => void vote("deny")}>{t("vote.deny")}</Button>}
      </div>
    </form>
  );
}

export function RequestPage({ id }: { id: string }) {
  const s = useSession();
  const one = useLoad<Request>((signal) => s.client.get(`/v1/requests/${id}`, {}, signal), [id], (c) => c.type === "request" || c.type === "grant");
  const q = one.data.value;
  if (one.trouble.value?.status === 404) return <MissingPage />;
  if (q === undefined) return one.trouble.value === null ? <Loading /> : <Trouble problem={one.trouble.value} again={one.again} />;
  return (
    <>
      <PageHead title={t("request.title")}><StateBadge state={q.state} /></PageHead>
      <Trouble problem={one.trouble.value} again={one.again} />
      <Card><RequestFacts q={q} /><VoteForm q={q} onVoted={(n) => { one.data.value = n; }} /></Card>
      {q.grants && q.grants.length > 0 && (
        <Card title={t("request.grants")}>
          <ul class="plain rows">{q.grants.map((g) => <li key={g.grant}><StateBadge state={g.state} /> <Link to={`/access/${g.grant}`}>{g.holder.name}</Link></li>)}</ul>
        </Card>
      )}
      <LinkedList list={q.linked} />
      {q.recordings.length === 1 && q.recordings[0] && <p><Link to={`/recordings/${q.recordings[0].id}`}>{t("request.open_recording")}</Link></p>}
    </>
  );
}
