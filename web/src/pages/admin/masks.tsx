/* What is taken out of a project's recordings: the rules' text, and a place to try it. */
import { useSignal } from "@preact/signals";
import type { GuardedChange, MaskTest, Masks, Project } from "../../api/types";
import { useLoad } from "../../lib/load";
import { useSession } from "../../lib/session";
import { t } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Button, Dialog, Field, Loading, Trouble } from "../../ui/parts";

function Form({ project, masks, onDone, onClose }: { project: Project; masks: Masks; onDone: (m: Masks | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const act = useAct();
  const text = useSignal(masks.text);
  const sample = useSignal("");
  const tried = useSignal<MaskTest | null>(null);

  async function save(): Promise<void> {
    const done = await act.run("save", () => s.client.send<Masks | GuardedChange>("PUT", `/v1/projects/${project.id}/masks`, { text: text.value }));
    if (done !== undefined) onDone(done);
  }
  async function attempt(): Promise<void> {
    tried.value = await act.run("try", () => s.client.send<MaskTest>("POST", "/v1/masks/test", { text: text.value, sample: sample.value })) ?? null;
  }

  const problem = act.trouble;
  return (
    <form class="stack" onSubmit={(e) => { e.preventDefault(); void save(); }}>
      <p class="help">{t("masks.help")}</p>
      <Field label={t("masks.text")} help={t("masks.text_help")}>{(ids) => (
        <textarea {...ids} class="code" rows={12} maxLength={65536} spellcheck={false} value={text.value} onInput={(e) => { text.value = e.currentTarget.value; tried.value = null; }} />
      )}</Field>
      <Field label={t("masks.sample")} help={t("masks.sample_help")}>{(ids) => (
        <textarea {...ids} rows={3} maxLength={65536} spellcheck={false} value={sample.value} onInput={(e) => { sample.value = e.currentTarget.value; tried.value = null; }} />
      )}</Field>
      {tried.value !== null && (
        <div role="status" data-tried>
          <pre class="code">{tried.value.masked}</pre>
          <p class="chips">{tried.value.counts.length === 0 ? t("masks.nothing") : tried.value.counts.map((c) => <span key={c.rule} class="chip">{t("masks.count", { rule: c.rule, n: c.n })}</span>)}</p>
        </div>
      )}
      <ActTrouble act={act} />
      {problem?.line !== undefined && <p class="help" data-line={problem.line}>{t("rules.line", { line: problem.line, cause: problem.cause ?? "" })}</p>}
      <div class="row">
        <Button type="submit" look="main" busy={act.busy === "save"}>{t("common.save")}</Button>
        <Button busy={act.busy === "try"} onClick={() => void attempt()}>{t("masks.try")}</Button>
        <Button onClick={onClose}>{t("common.cancel")}</Button>
      </div>
    </form>
  );
}

export function MasksDialog({ project, onDone, onClose }: { project: Project; onDone: (m: Masks | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const masks = useLoad<Masks>((signal) => s.client.get(`/v1/projects/${project.id}/masks`, {}, signal), [project.id], () => false);
  return (
    <Dialog title={t("masks.title", { name: project.name })} onClose={onClose}>
      <Trouble problem={masks.trouble.value} again={masks.again} />
      {masks.data.value === undefined ? masks.trouble.value === null && <Loading /> : <Form project={project} masks={masks.data.value} onDone={onDone} onClose={onClose} />}
    </Dialog>
  );
}
