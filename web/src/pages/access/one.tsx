/* One access: its time, who holds it, and everything one may do with it. Which buttons there are, the server says (`can`). */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Grant, Recording, Request } from "../../api/types";
import { useLoad } from "../../lib/load";
import { useSession } from "../../lib/session";
import { span, timeOfDay, when } from "../../lib/words";
import { t, tOr } from "../../texts";
import { actionsText, beforehandText, LinkedList, RecordingLine, StateBadge, titleOf } from "../../ui/about";
import { ActTrouble, useAct, type Acting } from "../../ui/act";
import { Button, Card, Dialog, Facts, Field, Link, Loading, Notice, PageHead, TimeLeft, Trouble } from "../../ui/parts";
import { MissingPage } from "../other/view";
import { GiveBack } from "./view";

type Can = NonNullable<Grant["can"]>[number];
const may = (g: Grant, what: Can) => g.can?.includes(what) === true;

/* A button that asks for a comment before it acts. */
function WithComment({ g, act, what, danger = false, onDone }: { g: Grant; act: Acting; what: "suspend" | "resume" | "revoke"; danger?: boolean; onDone: (g: Grant) => void }) {
  const s = useSession();
  const open = useSignal(false);
  const comment = useSignal("");
  if (!may(g, what)) return null;
  return (
    <>
      <Button look={danger ? "danger" : "plain"} onClick={() => { comment.value = ""; act.clear(); open.value = true; }}>{t(`one.${what}`)}</Button>
      {open.value && (
        <Dialog title={t(`one.${what}.title`)} onClose={() => { open.value = false; }}>
          <form onSubmit={(e) => {
            e.preventDefault();
            void act.run(what, () => s.client.send<Grant>("POST", `/v1/grants/${g.id}/${what}`, comment.value.trim() === "" ? {} : { comment: comment.value.trim() })).then((n) => {
              if (n === undefined) return;
              open.value = false;
              onDone(n);
            });
          }}>
            <p>{t(`one.${what}.text`, { name: g.holder.name, recording: g.recordings.map(titleOf).join(", ") })}</p>
            <Field label={t("watching.revoke_comment")}>{(ids) => <textarea {...ids} rows={2} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />}</Field>
            <ActTrouble act={act} />
            <div class="row"><Button type="submit" look={danger ? "danger" : "main"} busy={act.busy === what}>{t(`one.${what}`)}</Button><Button onClick={() => { open.value = false; }}>{t("common.cancel")}</Button></div>
          </form>
        </Dialog>
      )}
    </>
  );
}

/* More time: what was agreed beforehand at once, else a request that is linked. */
export function MoreTimeButton({ g, onDone }: { g: Grant; onDone: (q: Request) => void }) {
  const s = useSession();
  const act = useAct();
  const open = useSignal(false);
  const minutes = useSignal(0);
  const reason = useSignal("");
  if (!may(g, "more-time")) return null;
  const left = g.more_time ? g.more_time.times - g.more_time.used : 0;
  async function go(): Promise<void> {
    const body = left > 0 ? {} : { ...(minutes.value > 0 ? { duration_s: minutes.value * 60 } : {}), ...(reason.value.trim() === "" ? {} : { reason: reason.value.trim() }) };
    const q = await act.run("more", () => s.client.send<Request>("POST", `/v1/grants/${g.id}/more-time`, body));
    if (q === undefined) return;
    open.value = false;
    onDone(q);
  }
  return (
    <>
      <Button data-tour="more-time" onClick={() => { minutes.value = Math.max(1, Math.round(g.duration_s / 60)); act.clear(); open.value = true; }}>{t("one.more_time")}</Button>
      {open.value && (
        <Dialog title={t("one.more_time.title")} onClose={() => { open.value = false; }}>
          <form onSubmit={(e) => { e.preventDefault(); void go(); }}>
            {left > 0 && g.more_time ? <p>{t("one.more_time.beforehand", { time: span(g.more_time.each_s), n: left })}</p> : (
              <>
                <p>{t("one.more_time.ask")}</p>
                <Field label={t("ask.duration")}>{(ids) => <div class="row"><input {...ids} class="tiny" type="number" min={1} value={minutes.value} onInput={(e) => { minutes.value = Number(e.currentTarget.value); }} /> {t("unit.min")}</div>}</Field>
                <Field label={t("one.reason")} help={t("one.reason_help")}>{(ids) => <textarea {...ids} rows={2} maxLength={2000} value={reason.value} onInput={(e) => { reason.value = e.currentTarget.value; }} />}</Field>
              </>
            )}
            <ActTrouble act={act} />
            <div class="row"><Button type="submit" look="main" data-tour="more-time-ask" busy={act.busy !== ""}>{t(left > 0 ? "one.more_time.take" : "ask.submit")}</Button><Button onClick={() => { open.value = false; }}>{t("common.cancel")}</Button></div>
          </form>
        </Dialog>
      )}
    </>
  );
}

/* A further recording, by its id or the address of its page. */
function WidenButton({ g, onDone }: { g: Grant; onDone: (x: Grant | Request) => void }) {
  const s = useSession();
  const act = useAct();
  const open = useSignal(false);
  const rid = useSignal("");
  const reason = useSignal("");
  const found = useSignal<Recording | null>(null);
  if (!may(g, "widen")) return null;
  const id = () => /r_[A-Za-z0-9_-]{16}/.exec(rid.value)?.[0] ?? "";
  async function look(): Promise<void> {
    found.value = id() === "" ? null : await s.client.get<Recording>(`/v1/recordings/${id()}`).catch(() => null);
  }
  const left = g.more ? g.more.max - g.more.used : 0;
  return (
    <>
      <Button onClick={() => { rid.value = ""; found.value = null; act.clear(); open.value = true; }}>{t("one.widen")}</Button>
      {open.value && (
        <Dialog title={t("one.widen.title")} onClose={() => { open.value = false; }}>
          <form onSubmit={(e) => {
            e.preventDefault();
            if (id() === "") return;
            void act.run("widen", () => s.client.send<Grant | Request>("POST", `/v1/grants/${g.id}/widen`, { recording: id(), ...(reason.value.trim() === "" ? {} : { reason: reason.value.trim() }) })).then((x) => {
              if (x === undefined) return;
              open.value = false;
              onDone(x);
            });
          }}>
            <p>{left > 0 && g.more ? t(`one.widen.beforehand.${g.more.same}`, { n: left }) : t("one.widen.ask")}</p>
            <Field label={t("reports.about.recording")} help={t("reports.help.recording")}>{(ids) => <input {...ids} required value={rid.value} onInput={(e) => { rid.value = e.currentTarget.value; void look(); }} />}</Field>
            {found.value !== null && <p role="status"><RecordingLine r={found.value} /></p>}
            <Field label={t("one.reason")} help={t("one.reason_help")}>{(ids) => <textarea {...ids} rows={2} maxLength={2000} value={reason.value} onInput={(e) => { reason.value = e.currentTarget.value; }} />}</Field>
            <ActTrouble act={act} />
            <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("one.widen")}</Button><Button onClick={() => { open.value = false; }}>{t("common.cancel")}</Button></div>
          </form>
        </Dialog>
      )}
    </>
  );
}

/* A colleague opened the address of this access: they may ask to watch along. */
function Join({ id, name }: { id: string; name: string | null }) {
  const s = useSession();
  const act = useAct();
  const reason = useSignal("");
  return (
    <Card title={t("one.join.title")}>
      <p>{name === null ? t("one.join.unknown") : t("one.join.text", { name })}</p>
      <form class="stack" onSubmit={(e) => {
        e.preventDefault();
        void act.run("join", () => s.client.send<Request>("POST", `/v1/grants/${id}/join`, reason.value.trim() === "" ? {} : { reason: reason.value.trim() })).then((q) => { if (q !== undefined) s.nav.go(`/requests/${q.id}`); });
      }}>
        <Field label={t("one.reason")} help={t("one.join.reason_help")}>{(ids) => <textarea {...ids} rows={2} maxLength={2000} value={reason.value} onInput={(e) => { reason.value = e.currentTarget.value; }} />}</Field>
        <ActTrouble act={act} />
        <Button type="submit" look="main" data-tour="join" busy={act.busy !== ""}>{t("one.join")}</Button>
      </form>
    </Card>
  );
}

/* After an emergency: somebody else says how it was. */
export function ReviewForm({ g, onDone }: { g: Grant; onDone: () => void }) {
  const s = useSession();
  const act = useAct();
  const comment = useSignal("");
  if (!may(g, "review")) return null;
  const go = async (outcome: "done" | "failed") => {
    if (comment.value.trim().length < 10) return;
    if ((await act.run(outcome, () => s.client.send<Grant>("POST", `/v1/grants/${g.id}/review`, { outcome, comment: comment.value.trim() }))) !== undefined) onDone();
  };
  return (
    <form class="vote" aria-label={t("review.title")} onSubmit={(e) => e.preventDefault()}>
      <Field label={t("review.comment")} help={t("review.comment_help", { n: 10 })}>{(ids) => <textarea {...ids} data-tour="review" rows={2} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />}</Field>
      <ActTrouble act={act} />
      <div class="row">
        <Button look="main" data-tour="review-done" busy={act.busy === "done"} disabled={comment.value.trim().length < 10} onClick={() => void go("done")}>{t("review.done")}</Button>
        <Button look="danger" busy={act.busy === "failed"} disabled={comment.value.trim().length < 10} onClick={() => void go("failed")}>{t("review.failed")}</Button>
      </div>
      <p class="help">{t("review.failed_help")}</p>
    </form>
  );
}

export function EmergencyFacts({ g }: { g: Grant }) {
  if (!g.break_glass) return null;
  return (
    <Facts rows={[
      [t("emergency.incident"), <b>{g.break_glass.incident}</b>],
      [t("emergency.reason"), <span class="reason">{g.break_glass.reason}</span>],
      [t("review.state"), g.review !== "none" && t(`review.state.${g.review}`)],
      [t("review.due"), (g.review === "due" || g.review === "overdue") && when(g.reviewed?.due)],
      [t("review.by"), g.reviewed?.by && `${g.reviewed.by.name}, ${when(g.reviewed.at)}`],
      [t("review.outcome"), g.reviewed?.outcome && t(`review.outcome.${g.reviewed.outcome}`)],
      [t("vote.comment"), g.reviewed?.comment],
    ]} />
  );
}

/* How it stands, in a sentence, with the time that is left. */
export function Standing({ g }: { g: Grant }): ComponentChildren {
  const end = g.window?.end;
  if (g.ends_early && g.state === "ACTIVE") return <Notice tone="bad"><p>{t(g.ends_early.cause === "ticket-closed" ? "one.ends_early.ticket" : "one.ends_early")} <TimeLeft until={g.ends_early.at} /></p></Notice>;
  if (g.state === "SUSPENDED") {
    const cause = g.suspended?.cause === "frozen" ? t("one.frozen") : t("one.suspended", { name: g.suspended?.by?.name ?? t("common.unknown") });
    return <Notice tone="bad"><p>{cause} {g.suspended?.comment && t("watch.end.said", { comment: g.suspended.comment })}</p><p>{t("watch.end.suspended.next")} {end && <TimeLeft until={end} />}</p></Notice>;
  }
  if (g.state === "ACTIVE" && end) return <p><TimeLeft until={end} /> <span class="help">{t("watch.ends_at", { time: timeOfDay(end) })} {t("one.idle")}</span></p>;
  if (g.state === "SCHEDULED" && g.opens_by) return <p>{g.start === "first-use" ? t("recording.start_note", { time: span(g.duration_s), by: when(g.opens_by) }) : t("recording.opens_at", { time: when(g.opens_by) })}</p>;
  if (g.ended) return <p>{tOr(`one.ended.${g.ended.cause}`, "one.ended.other", { name: g.ended.by?.name ?? "", time: when(g.ended.at) })} {g.ended.comment && t("watch.end.said", { comment: g.ended.comment })}</p>;
  return null;
}

export function GrantPage({ id }: { id: string }) {
  const s = useSession();
  const act = useAct();
  const said = useSignal<"" | "one.filed" | "one.taken" | "one.added" | "one.done" | "review.thanks">("");
  const filed = useSignal("");
  const copied = useSignal(false);
  const one = useLoad<Grant>((signal) => s.client.get(`/v1/grants/${id}`, {}, signal), [id], (c) => c.type === "grant" || c.type === "request" || c.type === "viewing");
  const g = one.data.value;
  if (one.trouble.value?.status === 404) return /^g_[\w-]{16}$/.test(id) ? <><PageHead title={t("one.title")} /><Join id={id} name={null} /></> : <MissingPage />;
  if (g === undefined) return one.trouble.value === null ? <Loading /> : <Trouble problem={one.trouble.value} again={one.again} />;
  const mine = g.holder.id === s.me.value?.user.id;
  const playable = g.state === "ACTIVE" || (g.state === "SCHEDULED" && g.start === "first-use");
  const linked = (q: Request) => {
    filed.value = q.id;
    said.value = q.grant ? "one.taken" : "one.filed";
    one.again();
  };
  const done = () => { said.value = "one.done"; one.again(); };
  return (
    <>
      <PageHead title={mine ? t("one.mine") : t("one.of", { name: g.holder.name })}><StateBadge state={g.state} /></PageHead>
      <Trouble problem={one.trouble.value} again={one.again} />
      {said.value !== "" && <Notice tone="good" live><p>{t(said.value)} {filed.value !== "" && said.value === "one.filed" && <Link to={`/requests/${filed.value}`}>{t("request.title")}</Link>}</p></Notice>}
      <div class="two">
        <div>
          <Card tone={g.state === "ACTIVE" ? "good" : "warm"} title={t("one.state")}>
            <div data-grant-state={g.state}><Standing g={g} /></div>
            <div class="row">
              {mine && playable && g.actions.includes("play") && g.recordings[0] && <Link to={`/watch/${g.recordings[0].id}`} class="button main">{t(g.state === "ACTIVE" ? "recording.watch" : "recording.start")}</Link>}
              <MoreTimeButton g={g} onDone={linked} />
              <WidenButton g={g} onDone={(x) => { if ("votes" in x) linked(x); else { said.value = "one.added"; one.again(); } }} />
              <GiveBack grant={g} onDone={one.again} />
              <WithComment g={g} act={act} what="suspend" onDone={done} />
              <WithComment g={g} act={act} what="resume" onDone={done} />
              <WithComment g={g} act={act} what="revoke" danger onDone={done} />
            </div>
            {mine && g.state === "ACTIVE" && (
              <p class="help">{t("one.share")} <Button onClick={() => void navigator.clipboard.writeText(location.origin + `/access/${g.id}`).then(() => { copied.value = true; }, () => {})}>{t("one.copy")}</Button> <span role="status">{copied.value ? t("common.copied") : ""}</span></p>
            )}
          </Card>
          {g.break_glass && <Card tone="bad" title={t("emergency.title")}><EmergencyFacts g={g} /><ReviewForm g={g} onDone={() => { said.value = "review.thanks"; one.again(); }} /></Card>}
          {may(g, "join") && <Join id={g.id} name={g.holder.name} />}
          <LinkedList list={g.linked} />
        </div>
        <Card title={t("one.facts")}>
          <Facts rows={[
            [t("watching.who"), <b>{g.holder.name}</b>],
            [t("request.what"), <ul class="plain">{g.recordings.map((r) => <li key={r.id}><Link to={`/recordings/${r.id}`}><RecordingLine r={r} /></Link></li>)}</ul>],
            [t("request.actions"), actionsText(g.actions)],
            [t("request.purpose"), g.purpose.code],
            [t("request.reason"), g.purpose.reason && <span class="reason">{g.purpose.reason}</span>],
            [t("request.ticket"), g.purpose.ticket],
            [t("request.duration"), span(g.duration_s)],
            [t("one.window"), g.window && `${when(g.window.start)} – ${timeOfDay(g.window.end)}`],
            [t("request.beforehand"), beforehandText(g)],
            [t("one.used"), g.more_time && g.more_time.used > 0 && t("one.used.time", { n: g.more_time.used, of: g.more_time.times })],
            [t("request.extends"), g.extends && <Link to={`/access/${g.extends.grant}`}>{t(`request.extends.${g.extends.kind}`, { name: g.extends.holder?.name ?? g.holder.name })}</Link>],
            [t("request.rule"), g.rule],
            [t("request.title"), <Link to={`/requests/${g.request}`}>{t("one.request")}</Link>],
          ]} />
        </Card>
      </div>
    </>
  );
}
