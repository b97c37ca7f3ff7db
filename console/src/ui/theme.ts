/** One accent (teal) for what can be acted on, slate surfaces, and system fonts that know Chinese. */

import { createTheme, type MantineColorsTuple } from "@mantine/core";

const teal: MantineColorsTuple = [
  "#e8f6f4",
  "#cdeae6",
  "#9ed6cf",
  "#67c2b8",
  "#38aca0",
  "#14897e",
  "#0f766e",
  "#0c635c",
  "#094f4a",
  "#063a36",
];

/** Slate: Mantine paints dark surfaces with this scale, 7 the body, 6 a card, 4 a border. */
const dark: MantineColorsTuple = [
  "#dbe2ea",
  "#b6c1ce",
  "#98a6b6",
  "#64748b",
  "#334155",
  "#263241",
  "#1b2532",
  "#131b26",
  "#0d141d",
  "#080d14",
];

export const FONTS = '"Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif';

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: { light: 6, dark: 6 },
  colors: { teal, dark },
  fontFamily: FONTS,
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", "Noto Sans Mono CJK SC", Consolas, monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "20px", lineHeight: "1.3" },
      h2: { fontSize: "15px", lineHeight: "1.35" },
      h3: { fontSize: "13px", lineHeight: "1.4" },
    },
  },
  defaultRadius: "sm",
  focusRing: "auto",
  respectReducedMotion: true,
  cursorType: "pointer",
});
