import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

// The page of bench/console_frames.py: the console's own sources of the map, built as the console is.
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  build: { target: "es2022", assetsInlineLimit: 0, emptyOutDir: true, rollupOptions: { input: "frames.html" } },
});
