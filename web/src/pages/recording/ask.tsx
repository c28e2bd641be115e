import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Action, Check, Recording, Request, Terms } from "../../api/types";
import { useSession } from "../../lib/session";
import { reasonLength, span } from "../../lib/words";
import { t, tOr } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Button, Card, Field, Loading, Trouble } from "../../ui/parts";
import { createAsk, unitSeconds, type Ask, type Before, type Unit } from "./state";

const EMERGENCY_MAX = 60; // minutes; the rules may allow less
const EMERGENCY_MIN = 20; // characters

function whoText(terms: Terms): string {
  const names = terms.approvers.map((p) => p.name).join(", ");
  const rest = terms.approvers_total - terms.approvers.length;
  return rest > 0 ? t("ask.need.who_more", { names, n: rest }) : t("ask.need.who", { names });
}

/* Said before one asks: how many must agree, who can, and what would need less. */
function Needed({ check, terms }: { check: Check; terms: Terms | null }) {
  const verdict = terms === null ? (check.verdict === "split" ? "split" : "none") : terms.verdict;
  return (
    <div class="needed" aria-live="polite" data-verdict={verdict}>
      <h3>{t("ask.need")}</h3>
      {verdict === "ask" && terms !== null ? (
        <>
          <p>{terms.need === 1 ? t("ask.need.ask_one") : t("ask.need.ask", { n: terms.need })} {terms.approvers.length > 0 && whoText(terms)}</p>
          {terms.groups?.map((g) => <p key={g.name}>{t("ask.need.group", { n: g.min, group: g.name })}</p>)}
        </>
      ) : <p>{tOr(`ask.need.${verdict}`, "ask.need.deny")}</p>}
      {check.less.map((l, i) => (
        <p key={i} class="help">{t("ask.less", {
          change: l.change.purpose !== undefined ? t("ask.less.purpose", { purpose: l.change.purpose })
            : l.change.duration_s !== undefined ? t("ask.less.duration", { time: span(l.change.duration_s) })
            : l.change.actions !== undefined ? t("ask.less.actions", { actions: l.change.actions.map((a) => t(`ask.action.${a}`)).join(", ") })
            : t("ask.less.recordings"),
        })}</p>
      ))}
    </div>
  );
}

/* Who else will watch, and what may be added later without asking anew: all of it is decided with the request. */
function Beforehand({ ask, terms, error }: { ask: Ask; terms: Terms; error: string | undefined }) {
  const people = (terms.viewers ?? 1) - 1;
  if (people <= 0 && !terms.more && !terms.more_time) return null;
  return (
    <details class="beforehand" open={error !== undefined || undefined}>
      <summary>{t("ask.beforehand")}</summary>
      {people > 0 && <Field label={t("ask.viewers")} error={error} help={t("ask.viewers_help", { n: people })}>{(ids) => (
        <input {...ids} autocapitalize="none" spellcheck={false} value={ask.viewers.value} onInput={(e) => { ask.viewers.value = e.currentTarget.value; }} />
      )}</Field>}
      {terms.more && <Field label={t("ask.more")} help={t("ask.more_help", { n: terms.more.max })}>{(ids) => (
        <div class="row">
          <select {...ids} value={ask.moreSame.value} onChange={(e) => { ask.moreSame.value = e.currentTarget.value as "session"; }}>
            <option value="">{t("common.none")}</option>
            {terms.more?.same.map((x) => <option key={x} value={x}>{t(`ask.more.${x}`)}</option>)}
          </select>
          {ask.moreSame.value !== "" && <input class="tiny" type="number" min={1} max={terms.more?.max} aria-label={t("ask.more_max")} value={ask.moreMax.value} onInput={(e) => { ask.moreMax.value = Number(e.currentTarget.value); }} />}
        </div>
      )}</Field>}
      {terms.more_time && <Field label={t("ask.more_time")} help={t("ask.more_time_help", { n: terms.more_time.times, time: span(terms.more_time.each_s) })}>{(ids) => (
        <div class="row">
          <select {...ids} value={ask.timeTimes.value} onChange={(e) => { ask.timeTimes.value = Number(e.currentTarget.value); }}>
            {Array.from({ length: (terms.more_time?.times ?? 0) + 1 }, (_, i) => <option key={i} value={i}>{i === 0 ? t("common.none") : t("ask.more_time.times", { n: i })}</option>)}
          </select>
          {ask.timeTimes.value > 0 && <><input class="tiny" type="number" min={1} max={Math.floor((terms.more_time?.each_s ?? 60) / 60)} aria-label={t("ask.more_time_each")} value={ask.timeEach.value} onInput={(e) => { ask.timeEach.value = Number(e.currentTarget.value); }} /> {t("unit.min")}</>}
        </div>
      )}</Field>}
    </details>
  );
}

/* Break-glass, for those who hold the role: opens at once, is told to everybody who approves, and is reviewed. */
export function Emergency({ recording, onAsked }: { recording: Recording; onAsked: (r: Request) => void }) {
  const s = useSession();
  const act = useAct();
  const incident = useSignal("");
  const reason = useSignal("");
  const minutes = useSignal(30);
  const tried = useSignal(false);
  const short = reasonLength(reason.value) < EMERGENCY_MIN;
  const me = s.me.value;
  if (!me?.roles.some((r) => r.role === "breakglass" && (r.project === "*" || r.project === recording.project))) return null;

  async function open(): Promise<void> {
    tried.value = true;
    if (short || incident.value.trim() === "") return;
    const why = reason.value.trim();
    const purpose = await s.client.send<Check>("POST", "/v1/requests/check", { recordings: [recording.id], actions: ["play"] }).then((c) => c.purposes[0]?.purpose, () => undefined);
    const q = await act.run("open", () => s.client.send<Request>("POST", "/v1/requests", {
      recordings: [recording.id], actions: recording.live ? ["play", "live"] : ["play"], duration_s: minutes.value * 60, start: "approval",
      purpose: { code: purpose ?? "security", reason: why, ticket: incident.value.trim() }, break_glass: { incident: incident.value.trim(), reason: why },
    }));
    if (q !== undefined) onAsked(q);
  }
  return (
    <Card title={t("emergency.title")} tone="bad">
      <details data-emergency>
        <summary data-tour="emergency">{t("emergency.open")}</summary>
        <form class="stack" noValidate onSubmit={(e) => { e.preventDefault(); void open(); }}>
          <p>{t("emergency.text")}</p>
          <Field label={t("emergency.incident")} error={tried.value && incident.value.trim() === "" ? t("field.missing") : undefined}>{(ids) => (
            <input {...ids} data-tour="incident" maxLength={200} value={incident.value} onInput={(e) => { incident.value = e.currentTarget.value; }} />
          )}</Field>
          <Field label={t("emergency.reason")} help={t("ask.reason_help", { n: EMERGENCY_MIN })} error={tried.value && short ? t("field.too-short", { limit: EMERGENCY_MIN }) : undefined}>{(ids) => (
            <textarea {...ids} data-tour="incident-why" rows={2} maxLength={2000} value={reason.value} onInput={(e) => { reason.value = e.currentTarget.value; }} />
          )}</Field>
          <Field label={t("ask.duration")} help={t("ask.duration_max", { time: span(EMERGENCY_MAX * 60) })}>{(ids) => (
            <div class="row"><input {...ids} class="tiny" type="number" min={1} max={EMERGENCY_MAX} value={minutes.value} onInput={(e) => { minutes.value = Math.min(EMERGENCY_MAX, Math.max(1, Number(e.currentTarget.value) || 1)); }} /> {t("unit.min")}</div>
          )}</Field>
          <ActTrouble act={act} />
          {act.trouble?.cause !== undefined && <p class="help">{tOr(`emergency.limit.${act.trouble.cause}`, "code.break-glass-limit")}</p>}
          <Button type="submit" look="danger" data-tour="emergency-open" busy={act.busy !== ""}>{t("emergency.submit")}</Button>
        </form>
      </details>
    </Card>
  );
}

export function AskForm({ recording, before, onAsked }: { recording: Recording; before: Before; onAsked: (r: Request) => void }) {
  const s = useSession();
  const ask = useMemo(() => createAsk(s, recording, before), [recording.id]);
  useEffect(() => {
    void ask.runCheck();
    return ask.stop;
  }, [ask]);

  const check = ask.check.value;
  const terms = ask.terms.value;
  const said = (field: string) => {
    const server = ask.trouble.value?.errors?.find((e) => e.at.replace(/^\//, "").replaceAll("/", ".").endsWith(field));
    const e = ask.tried.value ? ask.errors.value[field] : undefined;
    if (e === undefined && server === undefined) return undefined;
    const limit = e?.limit ?? server?.limit ?? "";
    return tOr(`field.${e?.code ?? server?.code}`, "field.other", { limit: field === "duration_s" && typeof limit === "number" ? span(limit) : limit });
  };
  const actionChoices: Action[] = [...(recording.live ? (["play", "live"] as const) : (["play"] as const)), ...(recording.hidden_kept ? (["unmask"] as const) : []), "export"];
  /* Hidden values are seen while watching, and are in no copy. */
  const fit = (list: Action[], last: Action): Action[] => {
    if (!list.includes("unmask")) return list;
    if (last === "export" || !(list.includes("play") || list.includes("live") || last === "unmask")) return list.filter((a) => a !== "unmask");
    return [...(list.includes("play") || list.includes("live") ? [] : (["play"] as const)), ...list.filter((a) => a !== "export")];
  };
  const length = reasonLength(ask.reason.value);
  const blocked = terms === null || terms.verdict === "deny" || terms.verdict === "no-approver";

  return (
    <Card title={t("ask.title")}>
      {check === null ? (ask.trouble.value === null ? <Loading /> : <Trouble problem={ask.trouble.value} again={() => void ask.runCheck()} />) : (
        <form class="ask" noValidate onSubmit={(e) => {
          e.preventDefault();
          void ask.submit().then((r) => {
            if (r !== null) onAsked(r);
            else e.currentTarget?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
          });
        }}>
          <div class="ask-fields">
            <fieldset class="field">
              <legend>{t("ask.actions")}</legend>
              {actionChoices.map((a) => (
                <label key={a} class="choice" data-action={a}>
                  <input type="checkbox" checked={ask.actions.value.includes(a)} onChange={(e) => {
                    const next = e.currentTarget.checked ? [...ask.actions.value, a] : ask.actions.value.filter((x) => x !== a);
                    if (next.length > 0) ask.setActions(fit(next, a));
                    else e.currentTarget.checked = true;
                  }} />
                  {t(`ask.action.${a}`)}
                </label>
              ))}
            </fieldset>
            {check.purposes.length > 0 && <Field label={t("ask.purpose")} error={said("code")}>{(ids) => (
              <select {...ids} data-tour="purpose" value={ask.purpose.value} onChange={(e) => ask.setPurpose(e.currentTarget.value)}>
                {check.purposes.map((p) => <option key={p.purpose} value={p.purpose}>{p.purpose}</option>)}
              </select>
            )}</Field>}
            <Field label={t("ask.reason")} error={said("reason")}
              help={terms === null || terms.reason_min === 0 ? t("ask.reason_optional")
                : `${t("ask.reason_help", { n: terms.reason_min })} ${length < terms.reason_min ? t("ask.reason_count", { n: length, min: terms.reason_min }) : t("ask.reason_enough", { n: length })}`}>{(ids) => (
              <textarea {...ids} data-tour="reason" rows={3} maxLength={2000} value={ask.reason.value} onInput={(e) => { ask.reason.value = e.currentTarget.value; }} />
            )}</Field>
            <Field label={terms?.ticket === "required" ? t("ask.ticket") : t("ask.ticket_optional")} error={said("ticket")}>{(ids) => (
              <input {...ids} maxLength={200} value={ask.ticket.value} onInput={(e) => { ask.ticket.value = e.currentTarget.value; }} />
            )}</Field>
            <Field label={t("ask.duration")} error={said("duration_s")} help={terms === null ? undefined : t("ask.duration_max", { time: span(terms.max_s) })}>{(ids) => (
              <div class="row">
                <input {...ids} data-tour="duration" type="number" min={1} step={1} inputMode="numeric" value={ask.n.value} onInput={(e) => { ask.n.value = Number(e.currentTarget.value); ask.touchDuration(); }} />
                <select data-tour="unit" aria-label={t("ask.duration")} value={ask.unit.value} onChange={(e) => { ask.unit.value = e.currentTarget.value as Unit; ask.touchDuration(); }}>
                  {(Object.keys(unitSeconds) as Unit[]).map((u) => <option key={u} value={u}>{t(`unit.${u}`)}</option>)}
                </select>
              </div>
            )}</Field>
            {terms !== null && terms.start.length > 1 && terms.verdict !== "auto" && <Field label={t("ask.start")} error={said("start")}>{(ids) => (
              <div class="row wrap">
                <select {...ids} value={ask.start.value} onChange={(e) => { ask.start.value = e.currentTarget.value as "first-use" | "approval" | "time"; }}>
                  {(["first-use", "approval", "time"] as const).filter((x) => terms.start.includes(x)).map((x) => <option key={x} value={x}>{t(`ask.start.${x}`)}</option>)}
                </select>
                {ask.start.value === "time" && <input class="short" type="datetime-local" aria-label={t("ask.start.at")} value={ask.startAt.value} onInput={(e) => { ask.startAt.value = e.currentTarget.value; }} />}
              </div>
            )}</Field>}
            {terms !== null && <Beforehand ask={ask} terms={terms} error={said("viewers")} />}
          </div>
          <Needed check={check} terms={terms} />
          <Trouble problem={ask.trouble.value} />
          <Button type="submit" look="main" data-tour="ask" busy={ask.busy.value} disabled={blocked}>{terms?.verdict === "auto" ? t("ask.submit_auto") : t("ask.submit")}</Button>
        </form>
      )}
    </Card>
  );
}
