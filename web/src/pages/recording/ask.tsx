import { useEffect, useMemo } from "preact/hooks";
import type { Action, Check, Recording, Request, Terms } from "../../api/types";
import { useSession } from "../../lib/session";
import { reasonLength, span } from "../../lib/words";
import { t, tOr } from "../../texts";
import { Button, Card, Field, Loading, Trouble } from "../../ui/parts";
import { createAsk, unitSeconds, type Before, type Unit } from "./state";

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
  const actionChoices: Action[] = recording.live ? ["play", "live", "export"] : ["play", "export"];
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
                <label key={a} class="choice">
                  <input type="checkbox" checked={ask.actions.value.includes(a)} onChange={(e) => {
                    const next = e.currentTarget.checked ? [...ask.actions.value, a] : ask.actions.value.filter((x) => x !== a);
                    if (next.length > 0) ask.setActions(next);
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
            {terms !== null && terms.start.includes("first-use") && terms.verdict !== "auto" && <Field label={t("ask.start")} error={said("start")}>{(ids) => (
              <select {...ids} value={ask.start.value} onChange={(e) => { ask.start.value = e.currentTarget.value as "first-use" | "approval"; }}>
                <option value="first-use">{t("ask.start.first-use")}</option>
                <option value="approval">{t("ask.start.approval")}</option>
              </select>
            )}</Field>}
          </div>
          <Needed check={check} terms={terms} />
          <Trouble problem={ask.trouble.value} />
          <Button type="submit" look="main" data-tour="ask" busy={ask.busy.value} disabled={blocked}>{terms?.verdict === "auto" ? t("ask.submit_auto") : t("ask.submit")}</Button>
        </form>
      )}
    </Card>
  );
}
