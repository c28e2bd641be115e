/* Two builds, because the two sites share no file: `--mode app` and `--mode player` (the player's own origin). */
import { defineConfig } from "vite";

const here = new URL(".", import.meta.url).pathname;

export default defineConfig(({ mode }) => {
  const player = mode === "player";
  return {
    root: player ? here + "player" : here,
    publicDir: false,
    esbuild: { jsx: "automatic", jsxImportSource: "preact" },
    build: {
      outDir: here + "dist/" + (player ? "player" : "app"),
      emptyOutDir: true,
      target: "es2022",
      assetsInlineLimit: 0, // the app's policy has no data: images
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1000,
      rollupOptions: {
        input: player ? { dom: here + "player/dom.html", terminal: here + "player/terminal.html" } : { app: here + "index.html" },
      },
    },
    logLevel: "warn",
  };
});
