import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The build is served by the city itself under "/", from the Python package's static folder.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../src/cityheart/console/static",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8000", ws: true } } },
});
