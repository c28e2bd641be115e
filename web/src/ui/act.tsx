/* What a button starts: one thing at a time, a password in place when one is needed, and what went wrong. */
import { useSignal } from "@preact/signals";
import type { GuardedChange, Problem } from "../api/types";
import { problemFrom } from "../lib/http";
import { useSession, withFresh } from "../lib/session";
import { when } from "../lib/words";
import { t } from "../texts";
import { Link, Notice, Trouble } from "./parts";

export interface Acting {
  busy: string; // the name of what is under way; "": nothing
  run<T>(name: string, act: () => Promise<T>): Promise<T | undefined>; // undefined: it was refused, or the password was not given
  trouble: Problem | null;
  clear(): void;
}

export function useAct(): Acting {
  const s = useSession();
  const busy = useSignal("");
  const trouble = useSignal<Problem | null>(null);
  return {
    get busy() { return busy.value; },
    get trouble() { return trouble.value; },
    clear() { trouble.value = null; },
    async run(name, act) {
      if (busy.value !== "") return undefined;
      busy.value = name;
      trouble.value = null;
      try {
        return await withFresh(s, act);
      } catch (e) {
        const p = problemFrom(e);
        trouble.value = p.code === "reauth-needed" ? null : p;
        return undefined;
      } finally {
        busy.value = "";
      }
    },
  };
}

export function ActTrouble({ act }: { act: Acting }) {
  return <Trouble problem={act.trouble} />;
}

/* Some changes of people and rules wait for a second administrator. */
export function isWaiting(x: object): x is GuardedChange {
  return "touches" in x;
}

export function WaitingNotice({ change }: { change: GuardedChange }) {
  return (
    <Notice live>
      <p>{change.effective_at !== null ? t("change.waits_until", { time: when(change.effective_at) }) : t("change.waits")}</p>
      <p><Link to="/admin/changes">{t("change.see")}</Link></p>
    </Notice>
  );
}
