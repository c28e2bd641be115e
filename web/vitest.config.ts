import { defineConfig } from "vitest/config";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  test: { include: ["src/**/*.test.ts", "player/**/*.test.ts", "test/**/*.test.ts"], fileParallelism: false, environment: "node", setupFiles: ["test/setup.ts"] },
});
