import { useSignal } from "@preact/signals";
import type { Group, GuardedChange, Page, RoleIn, User } from "../../api/types";
import { useList, useLoad } from "../../lib/load";
import { useSession } from "../../lib/session";
import { when } from "../../lib/words";
import { t } from "../../texts";
import { ActTrouble, useAct } from "../../ui/act";
import { Badge, Button, Dialog, Empty, Field, Loading, Trouble } from "../../ui/parts";
import { AdminFrame, listOf, Roles, RolesField, SaidNotice, useSaid } from "./frame";

/* A new account, or one that is changed: only what was touched is sent. */
function PersonForm({ user, groups, onDone, onClose }: { user: User | null; groups: Group[]; onDone: (x: User | GuardedChange) => void; onClose: () => void }) {
  const s = useSession();
  const act = useAct();
  const name = useSignal("");
  const full = useSignal(user?.full_name ?? "");
  const password = useSignal("");
  const member = useSignal<string[]>(user?.groups ?? []);
  const own: RoleIn[] = (user?.roles ?? []).filter((r) => !r.group).map((r) => (r.role === "admin" ? { role: r.role } : { role: r.role, project: r.project }));
  const roles = useSignal<RoleIn[] | null>(user === null ? null : own);
  const subjects = useSignal((user?.subjects ?? []).join(", "));
  const person = useSignal(user?.person ?? "");
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

  async function submit(): Promise<void> {
    const body: Record<string, unknown> = {};
    if (user === null) body["name"] = name.value.trim();
    if (full.value.trim() !== (user?.full_name ?? "")) body["full_name"] = full.value.trim();
    if (password.value !== "") body["password"] = password.value;
    if (!same(member.value, user?.groups ?? [])) body["groups"] = member.value;
    if (roles.value !== null && (user === null || !same(roles.value, own))) body["roles"] = roles.value;
    if (!same(listOf(subjects.value), user?.subjects ?? [])) body["subjects"] = listOf(subjects.value);
    if (person.value.trim() !== (user?.person ?? "") && person.value.trim() !== "") body["person"] = person.value.trim();
    if (Object.keys(body).length === 0) return onClose();
    const done = await act.run("save", () => user === null ? s.client.send<User | GuardedChange>("POST", "/v1/users", body) : s.client.send<User | GuardedChange>("PATCH", `/v1/users/${user.id}`, body));
    if (done !== undefined) onDone(done);
  }

  return (
    <Dialog title={user === null ? t("people.new") : t("people.change", { name: user.name })} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {user === null && <Field label={t("people.name")} help={t("people.name_help")}>{(ids) => (
          <input {...ids} required maxLength={64} pattern="[a-z0-9][a-z0-9._\-]*" autocapitalize="none" spellcheck={false} value={name.value} onInput={(e) => { name.value = e.currentTarget.value; }} />
        )}</Field>}
        <Field label={t("people.full_name")}>{(ids) => <input {...ids} maxLength={200} value={full.value} onInput={(e) => { full.value = e.currentTarget.value; }} />}</Field>
        <Field label={user === null ? t("people.password") : t("people.password_new")} help={t("people.password_help")}>{(ids) => (
          <input {...ids} type="password" autocomplete="new-password" minLength={8} maxLength={1024} value={password.value} onInput={(e) => { password.value = e.currentTarget.value; }} />
        )}</Field>
        <fieldset class="field">
          <legend>{t("admin.groups")}</legend>
          {groups.map((g) => (
            <label key={g.name} class="choice">
              <input type="checkbox" checked={member.value.includes(g.name)} onChange={(e) => {
                member.value = e.currentTarget.checked ? [...member.value, g.name].sort() : member.value.filter((x) => x !== g.name);
              }} />
              {g.name} <Roles roles={g.roles} />
            </label>
          ))}
        </fieldset>
        {roles.value === null ? <p class="help">{t("people.roles_default")} <Button look="plain" onClick={() => { roles.value = [{ role: "viewer", project: "*" }]; }}>{t("people.roles_choose")}</Button></p>
          : <RolesField value={roles.value} onChange={(v) => { roles.value = v; }} />}
        <Field label={t("people.subjects")} help={t("people.subjects_help")}>{(ids) => <input {...ids} value={subjects.value} onInput={(e) => { subjects.value = e.currentTarget.value; }} />}</Field>
        <Field label={t("people.person")} help={t("people.person_help")}>{(ids) => <input {...ids} maxLength={64} value={person.value} onInput={(e) => { person.value = e.currentTarget.value; }} />}</Field>
        <ActTrouble act={act} />
        <div class="row"><Button type="submit" look="main" busy={act.busy !== ""}>{t("common.save")}</Button><Button onClick={onClose}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

export function PeoplePage() {
  const s = useSession();
  const q = useSignal("");
  const people = useList<User>("/v1/users", { q: q.value }, () => false);
  const groups = useLoad<Page<Group>>((signal) => s.client.get("/v1/groups", { limit: 100 }, signal), [], () => false);
  const editing = useSignal<User | null | undefined>(undefined); // null: a new one
  const ending = useSignal<User | null>(null);
  const act = useAct();
  const { said, hear } = useSaid();
  const mine = s.me.value?.user.id;

  async function setDisabled(u: User, disabled: boolean): Promise<void> {
    if (hear(await act.run("disable", () => s.client.send<User | GuardedChange>("PATCH", `/v1/users/${u.id}`, { disabled })), disabled ? "people.disabled" : "people.enabled")) {
      ending.value = null;
      people.again();
    }
  }

  return (
    <AdminFrame section="people">
      <form class="filters" onSubmit={(e) => e.preventDefault()}>
        <Field label={t("people.search")}>{(ids) => <input {...ids} type="search" value={q.value} onInput={(e) => { q.value = e.currentTarget.value; }} />}</Field>
        <Button look="main" onClick={() => { editing.value = null; }}>{t("people.new")}</Button>
      </form>
      <SaidNotice said={said} />
      <Trouble problem={people.trouble.value} again={people.again} />
      {people.data.value === undefined ? people.trouble.value === null && <Loading /> : people.data.value.items.length === 0 ? <Empty text="people.empty" /> : (
        <div class="table-wrap" tabIndex={0}>
          <table>
            <thead><tr><th scope="col">{t("people.name")}</th><th scope="col">{t("admin.groups")}</th><th scope="col">{t("admin.roles")}</th><th scope="col">{t("people.last")}</th><th scope="col"><span class="hidden">{t("common.actions")}</span></th></tr></thead>
            <tbody>
              {people.data.value.items.map((u) => (
                <tr key={u.id} data-user={u.name}>
                  <th scope="row">{u.name}{u.full_name && <span class="help"> {u.full_name}</span>} {u.state === "disabled" && <Badge tone="ended">{t("people.state.disabled")}</Badge>}</th>
                  <td>{u.groups.join(", ")}</td>
                  <td><Roles roles={u.roles} /></td>
                  <td>{when(u.last_login_at)}</td>
                  <td><div class="row">
                    <Button onClick={() => { editing.value = u; }}>{t("common.change")}</Button>
                    {u.state === "disabled" ? <Button busy={act.busy !== ""} onClick={() => void setDisabled(u, false)}>{t("people.enable")}</Button>
                      : u.id !== mine && <Button look="danger" onClick={() => { ending.value = u; }}>{t("people.disable")}</Button>}
                  </div></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {people.data.value?.cursor && <Button onClick={() => void people.more()}>{t("common.more")}</Button>}
      {editing.value !== undefined && <PersonForm user={editing.value} groups={groups.data.value?.items ?? []} onClose={() => { editing.value = undefined; }} onDone={(x) => {
        hear(x, "admin.saved");
        editing.value = undefined;
        people.again();
      }} />}
      {ending.value !== null && (
        <Dialog title={t("people.disable_title", { name: ending.value.name })} onClose={() => { ending.value = null; }}>
          <p>{t("people.disable_text", { name: ending.value.name })}</p>
          <ActTrouble act={act} />
          <div class="row"><Button look="danger" busy={act.busy !== ""} onClick={() => { if (ending.value) void setDisabled(ending.value, true); }}>{t("people.disable")}</Button><Button onClick={() => { ending.value = null; }}>{t("common.cancel")}</Button></div>
        </Dialog>
      )}
    </AdminFrame>
  );
}
