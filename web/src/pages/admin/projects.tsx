import { useSignal } from "@preact/signals";
import type { GuardedChange, MemberIn, Project } from "../../api/types";
import { useList } from "../../lib/load";
import { useSession } from "../../lib/session";
import { t } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Button, Dialog, Empty, Field, Link, Loading, Trouble } from "../../ui/parts";
import { AdminFrame, ROLES, SaidNotice, useSaid } from "./frame";
import { MasksDialog } from "./masks";

type Member = MemberIn;
const asIn = (m: Project["members"][number]): Member => ({ role: m.role as Member["role"], ...(m.user ? { user: m.user.name } : {}), ...(m.group ? { group: m.group } : {}) });
const equal = (a: Member, b: Member) => a.role === b.role && a.user === b.user && a.group === b.group;

function ProjectForm({ project, onDone, onClose }: { project: Project | null; onDone: (x: Project | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const act = useAct();
  const name = useSignal(project?.name ?? "");
  const env = useSignal(project?.env ?? "");
  const before = (project?.members ?? []).map(asIn);
  const members = useSignal<Member[]>(before);
  const set = (i: number, m: Member) => { members.value = members.value.map((x, j) => (j === i ? m : x)); };

  async function submit(): Promise<void> {
    const now = members.value.filter((m) => m.user || m.group);
    const body: Record<string, unknown> = {};
    if (name.value.trim() !== (project?.name ?? "")) body["name"] = name.value.trim();
    if (env.value.trim() !== (project?.env ?? "")) body["env"] = env.value.trim();
    if (project === null) {
      if (now.length > 0) body["members"] = now;
    } else {
      const add = now.filter((m) => !before.some((b) => equal(m, b)));
      const remove = before.filter((b) => !now.some((m) => equal(m, b)));
      if (add.length > 0) body["add"] = add;
      if (remove.length > 0) body["remove"] = remove;
      if (Object.keys(body).length === 0) return onClose();
    }
    const done = await act.run("save", () => project === null ? s.client.send<Project | GuardedChange>("POST", "/v1/projects", body) : s.client.send<Project | GuardedChange>("PATCH", `/v1/projects/${project.id}`, body));
    if (done !== undefined) onDone(done);
  }

  return (
    <Dialog title={project === null ? t("projects.new") : t("projects.change", { name: project.name })} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <Field label={t("people.name")} help={t("people.name_help")}>{(ids) => (
          <input {...ids} required maxLength={64} pattern="[a-z0-9][a-z0-9._\-]*" autocapitalize="none" spellcheck={false} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} />
        )}</Field>
        <Field label={t("recording.env")} help={t("projects.env_help")}>{(ids) => <input {...ids} maxLength={64} value={env.value} onInput={(e) => { env.value = e.currentTarget.value; }} />}</Field>
        <fieldset class="field">
          <legend>{t("groups.members")}</legend>
          <ul class="plain stack-small">
            {members.value.map((m, i) => {
              const kind = m.group !== undefined ? "group" : "user";
              return (
                <li key={i} class="row">
                  <select aria-label={t("projects.member_kind")} value={kind} onChange={(e) => set(i, e.currentTarget.value === "group" ? { role: m.role, group: m.user ?? "" } : { role: m.role, user: m.group ?? "" })}>
                    <option value="user">{t("projects.user")}</option><option value="group">{t("projects.group")}</option>
                  </select>
                  <input class="short" aria-label={t("people.name")} maxLength={64} value={m.user ?? m.group ?? ""} onInput={(e) => set(i, kind === "group" ? { role: m.role, group: e.currentTarget.value.trim() } : { role: m.role, user: e.currentTarget.value.trim() })} />
                  <select aria-label={t("role.role")} value={m.role} onChange={(e) => set(i, { ...m, role: e.currentTarget.value as Member["role"] })}>
                    {ROLES.map((x) => <option key={x} value={x}>{t(`role.${x}` as "role.viewer")}</option>)}
                  </select>
                  <Button aria-label={t("projects.member_remove", { name: m.user ?? m.group ?? "" })} onClick={() => { members.value = members.value.filter((_, j) => j !== i); }}>×</Button>
                </li>
              );
            })}
          </ul>
          <Button onClick={() => { members.value = [...members.value, { role: "viewer", user: "" }]; }}>{t("projects.member_add")}</Button>
        </fieldset>
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("common.save")}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

export function ProjectsPage() {
  const s = useSession();
  const me = s.me.value;
  const projects = useList<Project>("/v1/projects", {}, () => false);
  const editing = useSignal<Project | null | undefined>(undefined);
  const masking = useSignal<Project | null>(null);
  const { said, hear } = useSaid();
  const keeps = (p: Project) => me?.roles.some((r) => r.role === "project-admin" && (r.project === "*" || r.project === p.id)) === true;
  const may = (p: Project) => me?.admin === true || keeps(p);
  return (
    <AdminFrame section="projects">
      {me?.admin && <div class="row"><Button look="main" onClick={() => { editing.value = null; }}>{t("projects.new")}</Button></div>}
      <SaidNotice said={said} />
      <Trouble problem={projects.trouble.value} again={projects.again} />
      {projects.data.value === undefined ? projects.trouble.value === null && <Loading /> : projects.data.value.items.length === 0 ? <Empty text="projects.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t("people.name")}</th><th scope="col">{t("recording.env")}</th><th scope="col">{t("groups.members")}</th><th scope="col"><span class="hidden">{t("common.actions")}</span></th></tr></thead>
            <tbody>
              {projects.data.value.items.map((p) => (
                <tr key={p.id} data-project={p.name}>
                  <th scope="row">{p.name}</th>
                  <td>{p.env}</td>
                  <td><span class="chips">{p.members.map((m, i) => <span key={i} class="chip">{m.user?.name ?? m.group}: {t(`role.${m.role}`)}</span>)}</span></td>
                  <td><div class="row">
                    {may(p) && <Button onClick={() => { editing.value = p; }}>{t("common.change")}</Button>}
                    {keeps(p) && <Button onClick={() => { masking.value = p; }}>{t("masks.open")}</Button>}
                    {keeps(p) && <Link to={`/admin/pages?project=${p.id}`} class="button plain">{t("pages.open")}</Link>}
                  </div></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {projects.data.value?.cursor && <Button onClick={() => void projects.more()}>{t("common.more")}</Button>}
      {editing.value !== undefined && <ProjectForm project={editing.value} onClose={() => { editing.value = undefined; }} onDone={(x) => { hear(x, "admin.saved"); editing.value = undefined; projects.again(); void s.load(); }} />}
      {masking.value !== null && <MasksDialog project={masking.value} onClose={() => { masking.value = null; }} onDone={(m) => { hear(m, "masks.saved"); masking.value = null; }} />}
    </AdminFrame>
  );
}
