/* `--mode module`: for npm, rrweb stays a dependency. `--mode script`: one file with everything, served as /recorder.js. */
import { resolve } from "node:path";

const here = new URL(".", import.meta.url).pathname;
const LICENCES = `/*! Keyhole recorder, Apache-2.0. With @rrweb/record 2.1.6, MIT, Copyright (c) 2018 Contributors of rrweb. */`;

/* Canvases are not recorded (options.ts has no switch for it): rrweb's part for them, a worker among it, is 3 kB for nothing. */
const noCanvas = {
  name: "no-canvas",
  transform(code, id) {
    if (!id.endsWith("@rrweb/record/dist/record.js")) return null;
    const from = code.indexOf("const jsContent = "), to = code.indexOf("class StylesheetManager {");
    if (from < 0 || to < from) throw new Error("@rrweb/record is not as it was: look at noCanvas");
    return { code: code.slice(0, from) + "class CanvasManager { reset() {} freeze() {} unfreeze() {} lock() {} unlock() {} }\n" + code.slice(to), map: null };
  },
};

export default ({ mode }) => ({
  root: here,
  publicDir: false,
  plugins: mode === "script" ? [noCanvas] : [],
  resolve: { alias: { "@rrweb/record": resolve(here, "../../web/node_modules/@rrweb/record/dist/record.js") } },
  build: {
    outDir: resolve(here, "dist"),
    emptyOutDir: mode === "module",
    target: "es2020",
    minify: mode === "script" ? "esbuild" : false,
    reportCompressedSize: false,
    lib: mode === "module" ? { entry: resolve(here, "src/index.ts"), formats: ["es"], fileName: () => "recorder.js" }
      : { entry: resolve(here, "src/script.ts"), formats: ["iife"], name: "_keyhole", fileName: () => "recorder.min.js" },
    rollupOptions: {
      external: mode === "module" ? [/rrweb/] : [],
      output: { banner: LICENCES },
    },
  },
  esbuild: { legalComments: "inline" },
  logLevel: "warn",
});
