/* The pages about people and rules: who sees which, and what they share. */
import type { ComponentChildren } from "preact";
import { useSignal, type Signal } from "@preact/signals";
import type { GuardedChange, Me, Role, RoleHeld, RoleIn } from "../../api/types";
import { hasRole, useSession } from "../../lib/session";
import { t, tOr, type TextName } from "../../texts";
import { isWaiting, WaitingNotice } from "../../ui/act";
import { Button, Link, Notice, PageHead } from "../../ui/parts";

export const SECTIONS = ["people", "groups", "projects", "pages", "tokens", "changes"] as const;
export type Section = (typeof SECTIONS)[number];

export function sees(me: Me, section: Section): boolean {
  switch (section) {
    case "people": case "groups": return me.admin;
    case "projects": case "pages": return hasRole(me, "project-admin");
    case "tokens": return true; // one's own, at least
    case "changes": return hasRole(me, "approver");
  }
}

export function AdminFrame({ section, children }: { section: Section; children: ComponentChildren }) {
  const me = useSession().me.value;
  if (!me) return null;
  return (
    <>
      <PageHead title={t(`admin.${section}`)}><p class="lead">{t(`admin.${section}.lead`)}</p></PageHead>
      <nav class="tabs" aria-label={t("admin.menu")}>
        {SECTIONS.filter((x) => sees(me, x)).map((x) => <Link key={x} to={`/admin/${x}`} {...(x === section ? { "aria-current": "page" as const } : {})}>{t(`admin.${x}`)}</Link>)}
      </nav>
      {children}
    </>
  );
}

/* What was just done: said once, or that it waits. */
export interface Said { done: TextName | null; waiting: GuardedChange | null }
export function useSaid(): { said: Signal<Said>; hear: (x: object | undefined, done: TextName) => boolean } {
  const said = useSignal<Said>({ done: null, waiting: null });
  return {
    said,
    hear(x, done) {
      if (x === undefined) return false;
      said.value = isWaiting(x) && x.state === "waiting" ? { done: null, waiting: x } : { done, waiting: null };
      return true;
    },
  };
}
export function SaidNotice({ said }: { said: Signal<Said> }) {
  const { done, waiting } = said.value;
  return waiting !== null ? <WaitingNotice change={waiting} /> : done !== null ? <Notice tone="good" live>{t(done)}</Notice> : null;
}

export const ROLES: Role[] = ["viewer", "approver", "auditor", "project-admin", "breakglass"];

export function roleText(r: { role: string; project?: string | null; group?: string | null }, projects: Me["projects"]): string {
  const role = tOr(`role.${r.role}`, "common.unknown");
  const where = r.role === "admin" ? "" : r.project === "*" || !r.project ? t("role.everywhere") : r.project === "system" ? t("role.system") : (projects.find((p) => p.id === r.project)?.name ?? r.project);
  const text = where === "" ? role : t("role.in", { role, project: where });
  return r.group ? t("role.by_group", { role: text, group: r.group }) : text;
}

export function Roles({ roles }: { roles: RoleHeld[] }) {
  const projects = useSession().me.value?.projects ?? [];
  if (roles.length === 0) return <span class="help">{t("role.none")}</span>;
  return <span class="chips">{roles.map((r, i) => <span key={i} class="chip">{roleText(r, projects)}</span>)}</span>;
}

/* Which roles, and where. */
export function RolesField({ value, onChange, withAdmin = true }: { value: RoleIn[]; onChange: (v: RoleIn[]) => void; withAdmin?: boolean }) {
  const projects = useSession().me.value?.projects ?? [];
  const set = (i: number, r: RoleIn) => onChange(value.map((x, j) => (j === i ? r : x)));
  return (
    <fieldset class="field">
      <legend>{t("admin.roles")}</legend>
      <ul class="plain stack-small">
        {value.map((r, i) => (
          <li key={i} class="row">
            <select aria-label={t("role.role")} value={r.role} onChange={(e) => {
              const role = e.currentTarget.value as Role;
              set(i, role === "admin" ? { role } : { role, project: r.project ?? "*" });
            }}>
              {[...ROLES, ...(withAdmin ? (["admin"] as Role[]) : [])].map((x) => <option key={x} value={x}>{t(`role.${x}`)}</option>)}
            </select>
            {r.role !== "admin" && (
              <select aria-label={t("common.project")} value={r.project ?? "*"} onChange={(e) => set(i, { ...r, project: e.currentTarget.value })}>
                <option value="*">{t("role.everywhere")}</option>
                {projects.map((p) => <option key={p.id} value={p.id}>{p.name}</option>)}
              </select>
            )}
            <Button aria-label={t("role.remove", { role: roleText(r, projects) })} onClick={() => onChange(value.filter((_, j) => j !== i))}>×</Button>
          </li>
        ))}
      </ul>
      <Button onClick={() => onChange([...value, { role: "viewer", project: "*" }])}>{t("role.add")}</Button>
    </fieldset>
  );
}

/* "a, b" as a list; empty pieces fall away. */
export function listOf(text: string): string[] {
  return text.split(/[,\n]/).map((x) => x.trim()).filter((x) => x !== "");
}
