import { useSignal } from "@preact/signals";
import type { Group, GuardedChange, RoleIn } from "../../api/types";
import { useList } from "../../lib/load";
import { useSession } from "../../lib/session";
import { t } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Badge, Button, Dialog, Empty, Field, Loading, Trouble } from "../../ui/parts";
import { AdminFrame, listOf, Roles, RolesField, SaidNotice, useSaid } from "./frame";

function GroupForm({ group, onDone, onClose }: { group: Group | null; onDone: (x: Group | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const act = useAct();
  const name = useSignal("");
  const had = (group?.roles ?? []).map((r): RoleIn => (r.role === "admin" ? { role: r.role } : { role: r.role, project: r.project }));
  const roles = useSignal<RoleIn[]>(had);
  const members = useSignal((group?.members ?? []).map((m) => m.name).join(", "));

  async function submit(): Promise<void> {
    const before = (group?.members ?? []).map((m) => m.name);
    const now = listOf(members.value);
    const body: Record<string, unknown> = {};
    if (JSON.stringify(roles.value) !== JSON.stringify(had)) body["roles"] = roles.value;
    if (group === null) {
      body["name"] = name.value.trim();
      if (now.length > 0) body["members"] = now;
    } else {
      const add = now.filter((x) => !before.includes(x));
      const remove = before.filter((x) => !now.includes(x));
      if (add.length > 0) body["add"] = add;
      if (remove.length > 0) body["remove"] = remove;
      if (Object.keys(body).length === 0) return onClose();
    }
    const done = await act.run("save", () => group === null ? s.client.send<Group | GuardedChange>("POST", "/v1/groups", body) : s.client.send<Group | GuardedChange>("PATCH", `/v1/groups/${group.name}`, body));
    if (done !== undefined) onDone(done);
  }

  return (
    <Dialog title={group === null ? t("groups.new") : t("groups.change", { name: group.name })} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {group === null && <Field label={t("people.name")} help={t("people.name_help")}>{(ids) => (
          <input {...ids} required maxLength={64} pattern="[a-z0-9][a-z0-9._\-]*" autocapitalize="none" spellcheck={false} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} />
        )}</Field>}
        <Field label={t("groups.members")} help={t("groups.members_help")}>{(ids) => <textarea {...ids} rows={3} value={members.value} onInput={(e) => { members.value = e.currentTarget.value; }} />}</Field>
        {group?.builtin ? <p class="help">{t("groups.builtin_roles")} <Roles roles={group.roles} /></p> : <RolesField value={roles.value} onChange={(v) => { roles.value = v; }} />}
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("common.save")}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

export function GroupsPage() {
  const groups = useList<Group>("/v1/groups", {}, () => false);
  const editing = useSignal<Group | null | undefined>(undefined);
  const { said, hear } = useSaid();
  return (
    <AdminFrame section="groups">
      <div class="row"><Button look="main" onClick={() => { editing.value = null; }}>{t("groups.new")}</Button></div>
      <SaidNotice said={said} />
      <Trouble problem={groups.trouble.value} again={groups.again} />
      {groups.data.value === undefined ? groups.trouble.value === null && <Loading /> : groups.data.value.items.length === 0 ? <Empty text="groups.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t("people.name")}</th><th scope="col">{t("groups.members")}</th><th scope="col">{t("admin.roles")}</th><th scope="col"><span class="hidden">{t("common.actions")}</span></th></tr></thead>
            <tbody>
              {groups.data.value.items.map((g) => (
                <tr key={g.name} data-group={g.name}>
                  <th scope="row">{g.name} {g.builtin && <Badge tone="closed">{t("groups.builtin")}</Badge>}</th>
                  <td>{g.members.map((m) => m.name).join(", ")}</td>
                  <td><Roles roles={g.roles} /></td>
                  <td><Button onClick={() => { editing.value = g; }}>{t("common.change")}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {groups.data.value?.cursor && <Button onClick={() => void groups.more()}>{t("common.more")}</Button>}
      {editing.value !== undefined && <GroupForm group={editing.value} onClose={() => { editing.value = undefined; }} onDone={(x) => { hear(x, "admin.saved"); editing.value = undefined; groups.again(); }} />}
    </AdminFrame>
  );
}
