import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Demo, Problem } from "../../api/types";
import { problemFrom } from "../../lib/http";
import { mayProve } from "../../lib/proof";
import { useSession } from "../../lib/session";
import { t, tOr } from "../../texts";
import { Button, Field, Notice, PageHead, Trouble } from "../../ui/parts";

/* On a demo server: the account whose address this is ("approver.localhost"). */
function accountHere(demo: Demo | null): Demo["accounts"][number] | undefined {
  return demo?.accounts.find((a) => location.hostname.split(".")[0] === a.name);
}

export function SignInPage({ demo }: { demo: Demo | null }) {
  const s = useSession();
  const user = useSignal("");
  const password = useSignal("");
  const trouble = useSignal<Problem | null>(null);
  const busy = useSignal(false);

  async function signIn(name: string, secret: string): Promise<void> {
    busy.value = true;
    trouble.value = null;
    try {
      await s.signIn(name, secret);
    } catch (e) {
      trouble.value = problemFrom(e);
    }
    busy.value = false;
  }

  const account = accountHere(demo);
  return (
    <main id="content" class="narrow">
      <PageHead title={t("signin.title")}><p class="lead">{t("signin.lead")}</p></PageHead>
      {!mayProve() && <Notice tone="bad"><p>{t("app.unproved")}</p></Notice>}
      {account !== undefined && (
        <Notice>
          <p>{t("signin.demo")}</p>
          <Button look="main" busy={busy.value} onClick={() => void signIn(account.name, account.password)}>{t("signin.as", { name: account.name })}</Button>
        </Notice>
      )}
      <form class="card" onSubmit={(e) => { e.preventDefault(); void signIn(user.value, password.value); }}>
        <Field label={t("signin.user")}>{(ids) => (
          <input {...ids} name="user" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={64} value={user.value} onInput={(e) => { user.value = e.currentTarget.value; }} />
        )}</Field>
        <Field label={t("signin.password")}>{(ids) => (
          <input {...ids} name="password" type="password" autocomplete="current-password" required value={password.value} onInput={(e) => { password.value = e.currentTarget.value; }} />
        )}</Field>
        <Trouble problem={trouble.value} />
        <Button type="submit" look={account === undefined ? "main" : "plain"} busy={busy.value}>{t("signin.submit")}</Button>
      </form>
    </main>
  );
}

/* The front door of a demo server, at an address that is nobody's. */
export function DemoHome({ demo }: { demo: Demo }) {
  const s = useSession();
  return (
    <main id="content" class="narrow">
      <PageHead title={t("demo.home.title")}><p class="lead">{t("demo.home.text")}</p></PageHead>
      <p><Button look="main" onClick={() => s.nav.go("/tour")}>{t("demo.watch")}</Button></p>
      <p>{t("demo.home.accounts")}</p>
      <ul class="accounts">
        {demo.accounts.map((a) => (
          <li key={a.name}><a href={a.url}>{a.name}</a> <span class="help">{tOr(`demo.account.${a.name}`, "demo.account.other")}</span></li>
        ))}
      </ul>
      {demo.shop && <p><a href={`${demo.shop.url}/`} target="_blank" rel="noopener">{t("demo.home.shop")}</a> <span class="help">{t("demo.home.shop_text")}</span></p>}
      <p><a href="/sign-in" onClick={(e) => { e.preventDefault(); s.nav.go("/sign-in"); }}>{t("signin.title")}</a></p>
    </main>
  );
}

export function useDemo(): { demo: Demo | null; known: boolean } {
  const s = useSession();
  const state = useSignal<{ demo: Demo | null; known: boolean }>({ demo: null, known: false });
  useEffect(() => {
    s.client.get<Demo>("/v1/demo").then(
      (demo) => { state.value = { demo, known: true }; },
      () => { state.value = { demo: null, known: true }; });
  }, []);
  return state.value;
}
