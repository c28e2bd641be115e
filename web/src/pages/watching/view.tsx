import { useSignal } from "@preact/signals";
import type { Grant, Problem, Viewing } from "../../api/types";
import { problemFrom } from "../../lib/http";
import { useList } from "../../lib/load";
import { useSession, withFresh } from "../../lib/session";
import { timeOfDay } from "../../lib/words";
import { t } from "../../texts";
import { StateBadge, titleOf } from "../../ui/about";
import { FreezeButton } from "../../ui/banners";
import { Badge, Button, Card, Dialog, Link, Empty, Field, Loading, PageHead, TimeLeft, Trouble } from "../../ui/parts";

export function WatchingPage() {
  const s = useSession();
  const viewings = useList<Viewing>("/v1/viewings", { state: "live" }, (c) => c.type === "viewing" || c.type === "grant");
  const grants = useList<Grant>("/v1/grants", { box: "all", state: "live" }, (c) => c.type === "grant" || c.type === "request");
  const trouble = useSignal<Problem | null>(null);
  const ending = useSignal<Grant | null>(null);
  const comment = useSignal("");

  async function act(path: string, body: object): Promise<void> {
    trouble.value = null;
    try {
      await withFresh(s, () => s.client.send("POST", path, body));
      ending.value = null;
      viewings.again();
      grants.again();
    } catch (e) {
      trouble.value = problemFrom(e);
    }
  }

  return (
    <>
      <PageHead title={t("watching.title")}><FreezeButton /><p class="lead">{t("watching.lead")}</p></PageHead>
      <Trouble problem={trouble.value ?? viewings.trouble.value} />
      <div role="status" class="hidden">{viewings.data.value?.items.length ?? ""}</div>
      {viewings.data.value === undefined ? <Loading /> : viewings.data.value.items.length === 0 ? <Empty text="watching.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr>
              <th scope="col">{t("watching.who")}</th><th scope="col">{t("watching.what")}</th><th scope="col">{t("watching.since")}</th>
              <th scope="col">{t("watching.ends")}</th><th scope="col">{t("watching.with")}</th><th scope="col"><span class="hidden">{t("watching.stop")}</span></th>
            </tr></thead>
            <tbody>
              {viewings.data.value.items.map((v) => (
                <tr key={v.id} data-viewing={v.id}>
                  <th scope="row"><span class="dot" aria-hidden="true" />{v.viewer.name}</th>
                  <td>{titleOf(v.recording)}</td>
                  <td>{timeOfDay(v.began_at)}</td>
                  <td>{v.window_ends && <TimeLeft until={v.window_ends} />}</td>
                  <td>{t(`watching.client.${v.client}`)}</td>
                  <td>{v.can?.includes("stop") && <Button look="danger" onClick={() => void act(`/v1/viewings/${v.id}/stop`, {})}>{t("watching.stop")}</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <Card title={t("watching.open_access")}>
        {grants.data.value === undefined ? <Loading /> : grants.data.value.items.length === 0 ? <Empty text="watching.open_access_empty" /> : (
          <ul class="plain rows">
            {grants.data.value.items.map((g) => (
              <li key={g.id}>
                <StateBadge state={g.state} /> <b>{g.holder.name}</b> {g.break_glass && <Badge tone="live">{t("emergency.title")}</Badge>} {g.recordings.map(titleOf).join(", ")} <span class="help">{g.purpose.code}</span>
                {g.window && <TimeLeft until={g.window.end} />}
                <Link to={`/access/${g.id}`}>{t("common.details")}</Link>
                {g.can?.includes("suspend") && <Button onClick={() => void act(`/v1/grants/${g.id}/suspend`, {})}>{t("one.suspend")}</Button>}
                {g.can?.includes("resume") && <Button onClick={() => void act(`/v1/grants/${g.id}/resume`, {})}>{t("one.resume")}</Button>}
                {g.can?.includes("revoke") && <Button look="danger" data-tour="end" onClick={() => { comment.value = ""; ending.value = g; }}>{t("watching.revoke")}</Button>}
              </li>
            ))}
          </ul>
        )}
      </Card>
      {ending.value !== null && (
        <Dialog title={t("watching.revoke_title")} onClose={() => { ending.value = null; }}>
          <form onSubmit={(e) => { e.preventDefault(); const g = ending.value; if (g) void act(`/v1/grants/${g.id}/revoke`, comment.value.trim() === "" ? {} : { comment: comment.value.trim() }); }}>
            <p>{t("watching.revoke_text", { name: ending.value.holder.name, recording: ending.value.recordings.map(titleOf).join(", ") })}</p>
            <Field label={t("watching.revoke_comment")}>{(ids) => (
              <textarea {...ids} data-tour="end-why" rows={2} maxLength={2000} value={comment.value} onInput={(e) => { comment.value = e.currentTarget.value; }} />
            )}</Field>
            <Trouble problem={trouble.value} />
            <div class="row"><Button type="submit" look="danger" data-tour="end-submit">{t("watching.revoke")}</Button><Button onClick={() => { ending.value = null; }}>{t("common.cancel")}</Button></div>
          </form>
        </Dialog>
      )}
    </>
  );
}
