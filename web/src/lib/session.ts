/* One person at one server: who, their client, their feed, where they are. The app has one, the tour two. */
import { signal, type Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Me, Problem, SignIn } from "../api/types";
import { ApiError, createClient, problemFrom, type Client } from "./http";
import { createLive, type Live } from "./live";
import type { Nav } from "./nav";
import { browserKeys, createProver, type Keys } from "./proof";

export interface Session {
  client: Client;
  live: Live;
  nav: Nav;
  me: Signal<Me | null | undefined>; // undefined: not known yet; null: nobody is signed in
  trouble: Signal<Problem | null>; // why `me` could not be loaded
  now(): number; // the server's clock, ms
  /* The sign-in was made with a key pair that is not in this browser any more: it can neither open a recording nor decide. */
  lost: Signal<boolean>;
  load(): Promise<void>;
  signIn(user: string, password: string): Promise<void>;
  signOut(): Promise<void>;
  /* Set while a password is asked for in place; the dialog calls `done`. */
  confirm: Signal<{ done: (ok: boolean) => void } | null>;
}

/* Signs in with this browser's own key pair for the account, where it can make one. */
async function login(client: Client, keys: Keys, user: string, password: string, token: boolean): Promise<SignIn> {
  const kept = await keys.forAccount(user);
  const prover = kept === null ? null : createProver(kept, Date.now, () => location.origin);
  client.signer = prover === null ? null : { prover, publicUrl: location.origin, now: Date.now };
  return client.send<SignIn>("POST", "/v1/login", { user, password, ...(token ? { token } : {}) }, { proved: true });
}

export async function tokenFor(user: string, password: string): Promise<string> {
  const { token } = await login(createClient(null), browserKeys, user, password, true);
  if (token === undefined) throw new Error(user);
  return token;
}

export function createSession(token: string | null, nav: Nav, keys: Keys = browserKeys): Session {
  const client = createClient(token);
  const live = createLive(client);
  let ahead = 0; // server's clock minus ours

  /* The signer of the sign-in that `me` speaks of. */
  async function findSigner(me: Me): Promise<void> {
    const jkt = me.auth.client_key ?? null;
    const have = client.signer?.prover;
    const kept = jkt === null || jkt === have?.jkt ? null : await keys.find(jkt);
    const prover = kept !== null ? createProver(kept, s.now, () => location.origin) : have?.jkt === jkt ? have : undefined;
    client.signer = prover === undefined ? null : { prover, publicUrl: me.public_url, now: s.now };
    s.lost.value = jkt !== null && prover === undefined;
  }

  const s: Session = {
    client, live, nav,
    lost: signal(false),
    me: signal<Me | null | undefined>(undefined),
    trouble: signal<Problem | null>(null),
    confirm: signal(null),
    now: () => Date.now() + ahead,
    async load() {
      try {
        const before = Date.now();
        const me = await client.get<Me>("/v1/me");
        ahead = Date.parse(me.now) - (before + Date.now()) / 2;
        await findSigner(me);
        s.trouble.value = null;
        await live.start();
        s.me.value = me;
      } catch (e) {
        const p = problemFrom(e);
        if (p.code === "login-needed") s.me.value = null;
        else s.trouble.value = p;
      }
    },
    async signIn(user, password) {
      await login(client, keys, user, password, false);
      await s.load();
    },
    async signOut() {
      try {
        await client.send("POST", "/v1/logout");
      } finally {
        live.stop();
        client.signer = null;
        s.me.value = null;
      }
    },
  };
  live.on((c) => {
    if (c.type === "client-key") void s.load(); // somebody signed in to this account from somewhere new
  });
  client.onSignedOut = () => {
    live.stop();
    client.signer = null;
    s.me.value = null;
  };
  return s;
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const s = useContext(SessionContext);
  if (s === null) throw new Error("no session around this");
  return s;
}

/* Runs an act that needs a fresh sign-in; asks for the password in place when it is not, and runs it again. */
export async function withFresh<T>(s: Session, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (e) {
    if (!(e instanceof ApiError) || e.problem.code !== "reauth-needed") throw e;
    const ok = await new Promise<boolean>((done) => { s.confirm.value = { done }; });
    s.confirm.value = null;
    if (!ok) throw e;
    return act();
  }
}

export function hasRole(me: Me, ...roles: string[]): boolean {
  return me.admin || me.roles.some((r) => roles.includes(r.role));
}
