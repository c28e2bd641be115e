/* Who watched a recording, what a person watched, what a recorded person may be told. Made by the server from the audit log alone. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Report } from "../../api/types";
import { splitPath } from "../../lib/nav";
import { useSession } from "../../lib/session";
import { count, when } from "../../lib/words";
import { t } from "../../texts";
import { actionsText } from "../../ui/about";
import { useAct, ActTrouble } from "../../ui/act";
import { Badge, Button, Card, Empty, Field, Link, Notice, PageHead } from "../../ui/parts";

const KINDS = ["recording", "person", "subject"] as const;
type Kind = (typeof KINDS)[number];
const time = (day: string, end: boolean) => (day === "" ? undefined : `${day}T${end ? "23:59:59.999" : "00:00:00.000"}Z`);

export function ReportsPage() {
  const s = useSession();
  const act = useAct();
  const { query } = splitPath(s.nav.path.value);
  const first = KINDS.find((k) => query.get("kind") === k) ?? "recording";
  const kind = useSignal<Kind>(first);
  const about = useSignal(query.get(first) ?? "");
  const from = useSignal("");
  const to = useSignal("");
  const report = useSignal<Report | null>(null);

  const ask = (): Record<string, string | undefined> => ({ [kind.value]: about.value.trim(), from: time(from.value, false), to: time(to.value, true) });
  async function load(): Promise<void> {
    if (about.value.trim() === "") return;
    report.value = (await act.run("load", () => s.client.get<Report>(`/v1/reports/${kind.value}`, ask()))) ?? null;
  }
  async function save(): Promise<void> {
    const q = new URLSearchParams({ format: "csv" });
    for (const [k, v] of Object.entries(ask())) if (v !== undefined) q.set(k, v);
    const text = await act.run("csv", async () => (await s.client.open(`/v1/reports/${kind.value}?${q.toString()}`, { Accept: "text/csv" }, new AbortController().signal)).text());
    if (text === undefined) return;
    const a = document.createElement("a");
    a.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    a.download = `${kind.value}-${new Date(s.now()).toISOString().slice(0, 10)}.csv`;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 1000);
  }
  useEffect(() => { void load(); }, []);

  const r = report.value;
  const name = (log: string) => (log === "system" ? t("audit.system") : (s.me.value?.projects.find((p) => p.id === log)?.name ?? log));
  const staff = r !== null && r.kind !== "subject";
  return (
    <>
      <PageHead title={t("reports.title")}><p class="lead">{t("reports.lead")}</p></PageHead>
      <form class="filters card top-aligned" onSubmit={(e) => { e.preventDefault(); void load(); }}>
        <Field label={t(`reports.about.${kind.value}`)} help={t(`reports.help.${kind.value}`)}>{(ids) => (
          <input {...ids} required maxLength={200} value={about.value} onInput={(e) => { about.value = e.currentTarget.value; }} />
        )}</Field>
        <Field label={t("reports.kind")}>{(ids) => (
          <select {...ids} value={kind.value} onChange={(e) => { kind.value = e.currentTarget.value as Kind; report.value = null; }}>
            {KINDS.map((k) => <option key={k} value={k}>{t(`reports.kind.${k}`)}</option>)}
          </select>
        )}</Field>
        <Field label={t("reports.from")}>{(ids) => <input {...ids} type="date" value={from.value} onInput={(e) => { from.value = e.currentTarget.value; }} />}</Field>
        <Field label={t("reports.to")}>{(ids) => <input {...ids} type="date" value={to.value} onInput={(e) => { to.value = e.currentTarget.value; }} />}</Field>
        <div class="under-label"><Button type="submit" look="main" busy={act.busy === "load"}>{t("reports.make")}</Button></div>
      </form>
      <ActTrouble act={act} />
      {r !== null && (
        <Card title={t(`reports.of.${r.kind}`, { name: about.value })}>
          <div class="row">
            <span class="help">{t("reports.made", { time: when(r.generated_at), logs: r.logs.map((l) => `${name(l.log)} (${count(l.size)})`).join(", ") })}</span>
            <span class="grow" />
            <Button busy={act.busy === "csv"} onClick={() => void save()}>{t("reports.csv")}</Button>
          </div>
          {r.more && <Notice tone="bad">{t("reports.more")}</Notice>}
          {r.items.length === 0 ? <Empty text="reports.empty" /> : (
            <div class="table-wrap" tabIndex={0}>
              <table class="report">
                <thead><tr>
                  <th scope="col">{t("audit.when")}</th>{staff && <th scope="col">{t("audit.who")}</th>}<th scope="col">{t("watching.what")}</th><th scope="col">{t("request.purpose")}</th>
                  <th scope="col">{t("reports.how")}</th><th scope="col" class="num">{t("recording.events")}</th><th scope="col">{t("reports.records")}</th>
                </tr></thead>
                <tbody>
                  {r.items.map((x) => (
                    <tr key={`${x.log}-${x.first_index}`}>
                      <th scope="row">{when(x.from)} <span class="help">– {when(x.to)}</span></th>
                      {staff && <td>{x.person?.name}</td>}
                      <td>{staff ? <Link to={`/recordings/${x.recording}`}>{x.recording_title ?? x.recording}</Link> : (x.recording_title ?? x.recording)}</td>
                      <td>{x.purpose}{x.reason && <div class="help reason">{x.reason}</div>}</td>
                      <td>{x.actions && actionsText(x.actions)} {x.live && <Badge tone="live">{t("rec.live")}</Badge>} {x.exported && <Badge tone="waiting">{t("action.export")}</Badge>}</td>
                      <td class="num">{x.events !== undefined && count(x.events)}{x.settled === false && <div class="help">{t("reports.unsettled")}</div>}</td>
                      <td><Link to={`/audit?log=${x.log}`}>{x.first_index === x.last_index ? x.first_index : `${x.first_index}–${x.last_index}`}</Link></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Card>
      )}
    </>
  );
}
