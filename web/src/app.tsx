/* The frame around the pages: who one is, where one can go, and which page a path means. */
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Demo, Problem, Request } from "./api/types";
import { problemFrom } from "./lib/http";
import { useList } from "./lib/load";
import { matchPath, splitPath } from "./lib/nav";
import { mayProve } from "./lib/proof";
import { hasRole, SessionContext, useSession, type Session } from "./lib/session";
import { ChangesPage } from "./pages/admin/changes";
import { sees, SECTIONS } from "./pages/admin/frame";
import { GroupsPage } from "./pages/admin/groups";
import { WebPagesPage } from "./pages/admin/pages";
import { PeoplePage } from "./pages/admin/people";
import { ProjectsPage } from "./pages/admin/projects";
import { TokensPage } from "./pages/admin/tokens";
import { GrantPage } from "./pages/access/one";
import { AccessPage } from "./pages/access/view";
import { AuditPage } from "./pages/audit/view";
import { InboxPage } from "./pages/inbox/view";
import { ForbiddenPage, MissingPage, ProblemPage } from "./pages/other/view";
import { RecordingPage } from "./pages/recording/view";
import { RecordingsPage } from "./pages/recordings/view";
import { ReportsPage } from "./pages/reports/view";
import { RequestPage } from "./pages/request/view";
import { RulesPage } from "./pages/rules/view";
import { DemoHome, SignInPage, useDemo } from "./pages/signin/view";
import { TourPage } from "./pages/tour/view";
import { WatchPage } from "./pages/watch/view";
import { WatchingPage } from "./pages/watching/view";
import { t, tOr } from "./texts";
import { FreezeBanner, NewSignIns } from "./ui/banners";
import { Button, Dialog, Field, Link, Loading, Lock, Trouble } from "./ui/parts";

function page(path: string, s: Session): ComponentChildren {
  const me = s.me.value;
  if (!me) return null;
  const votes = hasRole(me, "approver");
  const watches = hasRole(me, "approver", "project-admin", "auditor");
  let m: Record<string, string> | null;
  if (path === "/" || path === "/recordings" || path === "/sign-in") return <RecordingsPage />;
  if ((m = matchPath("/recordings/{rid}", path))) return <RecordingPage key={m["rid"]} rid={m["rid"] ?? ""} />;
  if ((m = matchPath("/r/{rid}", path))) return <RecordingPage key={m["rid"]} rid={m["rid"] ?? ""} />; // short, for tools: /r/ID?at=83.25
  if ((m = matchPath("/watch/{rid}", path))) return <WatchPage key={m["rid"]} rid={m["rid"] ?? ""} />;
  if ((m = matchPath("/requests/{q}", path))) return <RequestPage key={m["q"]} id={m["q"] ?? ""} />;
  if (path === "/inbox") return votes ? <InboxPage /> : <ForbiddenPage />;
  if (path === "/access") return <AccessPage />;
  if ((m = matchPath("/access/{g}", path))) return <GrantPage key={m["g"]} id={m["g"] ?? ""} />;
  if (path === "/watching") return watches ? <WatchingPage /> : <ForbiddenPage />;
  if (path === "/audit") return hasRole(me, "auditor") ? <AuditPage /> : <ForbiddenPage />;
  if (path === "/reports") return hasRole(me, "auditor") ? <ReportsPage key={s.nav.path.value} /> : <ForbiddenPage />;
  if (path === "/rules") return <RulesPage />;
  if (path === "/admin") return <AdminPage />;
  if ((m = matchPath("/admin/{section}", path))) {
    const section = SECTIONS.find((x) => x === m?.["section"]);
    if (section === undefined) return <MissingPage />;
    if (!sees(me, section)) return <ForbiddenPage />;
    switch (section) {
      case "people": return <PeoplePage />;
      case "groups": return <GroupsPage />;
      case "projects": return <ProjectsPage />;
      case "pages": return <WebPagesPage />;
      case "tokens": return <TokensPage />;
      case "changes": return <ChangesPage />;
    }
  }
  return <MissingPage />;
}

/* The first of its pages that one may see. */
function AdminPage() {
  const s = useSession();
  const me = s.me.value;
  const first = me ? SECTIONS.find((x) => sees(me, x)) : undefined;
  useEffect(() => { if (first !== undefined) s.nav.go(`/admin/${first}`, true); }, [first]);
  return <Loading />;
}

function InboxCount() {
  const waiting = useList<Request>("/v1/requests", { box: "inbox", limit: 20 }, (c) => c.type === "request");
  const n = waiting.data.value?.items.length ?? 0;
  if (n === 0) return null;
  return <span class="count"><span aria-hidden="true">{n}</span><span class="hidden">{t("nav.inbox_count", { n })}</span></span>;
}

function Top() {
  const s = useSession();
  const me = s.me.value;
  const { path } = splitPath(s.nav.path.value);
  if (!me) return null;
  const item = (to: string, text: string, more?: ComponentChildren) => (
    <Link to={to} {...(path === to || (to === "/admin" && path.startsWith("/admin/")) || (to === "/recordings" && (path === "/" || path.startsWith("/recordings/") || path.startsWith("/watch/"))) ? { "aria-current": "page" as const } : {})}>{text}{more}</Link>
  );
  return (
    <header class="top">
      <div class="top-in">
        <Link to="/recordings" class="brand"><Lock open={false} />{t("app.name")}</Link>
        <nav aria-label={t("app.menu")}>
          {item("/recordings", t("nav.recordings"))}
          {hasRole(me, "approver") && item("/inbox", t("nav.inbox"), <InboxCount />)}
          {item("/access", t("nav.access"))}
          {hasRole(me, "approver", "project-admin", "auditor") && item("/watching", t("nav.watching"))}
          {hasRole(me, "auditor") && item("/audit", t("nav.audit"))}
          {hasRole(me, "auditor") && item("/reports", t("nav.reports"))}
          {item("/rules", t("nav.rules"))}
          {hasRole(me, "approver", "project-admin") && item("/admin", t("nav.admin"))}
        </nav>
        {s.nav.inPage && (
          <>
            <span class="help" title={t("app.signed_in_as", { name: me.user.name })}><span class="hidden">{t("app.signed_in_as", { name: "" })}</span>{me.user.name}</span>
            <Button onClick={() => void s.signOut()}>{t("app.sign_out")}</Button>
          </>
        )}
      </div>
    </header>
  );
}

function DemoStrip({ demo, name }: { demo: Demo; name: string | null }) {
  return (
    <aside class="demo-strip" aria-label={t("demo.strip")}>
      <div class="top-in">
        <b>{t("demo.strip")}</b>
        <span>{name === null ? t("demo.nobody") : `${t("demo.you_are", { name })} ${tOr(`demo.try.${name}`, "demo.try.other")}`}</span>
        <span class="grow" />
        <span>{t("demo.switch")} {demo.accounts.filter((a) => a.name !== name).map((a) => <><a key={a.name} href={a.url}>{a.name}</a> </>)}</span>
        {demo.shop && <a href={`${demo.shop.url}/`} target="_blank" rel="noopener">{t("demo.shop")}</a>}
        <Link to="/tour">{t("demo.watch")}</Link>
      </div>
    </aside>
  );
}

/* A password in place, for what needs a fresh sign-in. The page behind keeps everything that was written. */
function Confirm() {
  const s = useSession();
  const password = useSignal("");
  const trouble = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const open = s.confirm.value;
  if (open === null) return null;
  const done = (ok: boolean) => {
    password.value = "";
    trouble.value = null;
    open.done(ok);
  };
  return (
    <Dialog title={t("reauth.title")} onClose={() => done(false)}>
      <form onSubmit={(e) => {
        e.preventDefault();
        busy.value = true;
        s.client.send("POST", "/v1/reauth", { password: password.value }).then(
          () => { busy.value = false; done(true); },
          (err: unknown) => { busy.value = false; trouble.value = problemFrom(err); });
      }}>
        <p>{t("reauth.text")}</p>
        <Field label={t("signin.password")}>{(ids) => (
          <input {...ids} type="password" autocomplete="current-password" required value={password.value} onInput={(e) => { password.value = e.currentTarget.value; }} />
        )}</Field>
        <Trouble problem={trouble.value} />
        <div class="row"><Button type="submit" look="main" busy={busy.value}>{t("reauth.submit")}</Button><Button onClick={() => done(false)}>{t("common.cancel")}</Button></div>
      </form>
    </Dialog>
  );
}

/* Said when this browser cannot prove that it is the one that signed in: what it cannot do then, and how to get on. */
function Proof() {
  const s = useSession();
  if (!s.me.value) return null;
  if (s.lost.value) return <div class="offline" role="alert">{t("app.lost")} <Button onClick={() => void s.signOut()}>{t("app.sign_in_again")}</Button></div>;
  return mayProve() ? null : <div class="offline" role="status">{t("app.unproved")}</div>;
}

/* One person's view: the whole app, or a side of the tour. */
export function View({ session }: { session: Session }) {
  return (
    <SessionContext.Provider value={session}>
      <Top />
      <Proof />
      {session.me.value && <FreezeBanner />}
      {session.me.value && !session.live.connected.value && <div class="offline" role="status">{t("app.offline")}</div>}
      <main id={session.nav.inPage ? "content" : undefined}>{session.me.value && session.nav.inPage && <NewSignIns me={session.me.value} />}{page(splitPath(session.nav.path.value).path, session)}</main>
      <Confirm />
    </SessionContext.Provider>
  );
}

export function App({ session }: { session: Session }) {
  return <SessionContext.Provider value={session}><Door /></SessionContext.Provider>;
}

function Door() {
  const s = useSession();
  const { demo, known } = useDemo();
  const { path } = splitPath(s.nav.path.value);
  const problem = matchPath("/problems/{code}", path);
  if (problem) return <ProblemPage code={problem["code"] ?? ""} />;
  const me = s.me.value;
  if (s.trouble.value !== null && me === undefined) return <main id="content" class="narrow"><Trouble problem={s.trouble.value} again={() => void s.load()} /></main>;
  if (me === undefined || !known) return <main id="content"><Loading /></main>;
  return (
    <>
      <a class="skip" href="#content">{t("app.skip")}</a>
      {demo !== null && <DemoStrip demo={demo} name={me?.user.name ?? null} />}
      {path === "/tour" && demo !== null ? <TourPage demo={demo} />
        : me !== null ? <View session={s} />
        : demo !== null && path === "/" && !demo.accounts.some((a) => location.hostname.startsWith(a.name + ".")) ? <DemoHome demo={demo} />
        : <SignInPage demo={demo} />}
    </>
  );
}
