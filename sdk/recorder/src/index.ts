/* import { start } from "@keyhole/recorder"; const keyhole = start({ server, token }); */
export { start } from "./recorder";
export type { Keyhole, State } from "./recorder";
export type { ConsoleLevel, Mode, Notice, Options } from "./options";
