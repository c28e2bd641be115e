/*
 * The form for <script src="…/recorder.js" data-token="kib_…">: begins by itself, and is window.keyhole. What the module gives to onNotice is
 * an event "keyhole" of the window here.
 */
import { fromElement } from "./options";
import { start, type Keyhole } from "./recorder";

declare global {
  interface Window {
    keyhole?: Keyhole | undefined;
  }
}

const me = document.currentScript as HTMLScriptElement | null;
if (me !== null && window.keyhole === undefined) {
  try {
    window.keyhole = start({ ...fromElement(me.src, me.dataset), onNotice: (detail) => dispatchEvent(new CustomEvent("keyhole", { detail })) });
  } catch (e) {
    console.error(String(e)); // a mistake in the page: its author should see it
  }
}
