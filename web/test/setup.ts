/* Node 18 has Web Crypto, but not under the name that browsers use. */
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto as Crypto;
