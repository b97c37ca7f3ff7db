/** Opens the palette: by its button, by Ctrl K or ⌘ K. The palette itself comes when it is first wanted. */

import { UnstyledButton } from "@mantine/core";
import { lazy, Suspense, useEffect, useState } from "react";
import { FindIcon } from "../ui/icons";
import type { PalettePage } from "./Palette";

const Palette = lazy(() => import("./Palette"));

export function PaletteButton({
  person,
  pages,
  label,
}: {
  person: string;
  pages: readonly PalettePage[];
  label: string;
}) {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      setOpen((before) => !before);
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
  return (
    <>
      <UnstyledButton
        data-testid="palette-open"
        aria-label={label}
        title={label}
        aria-keyshortcuts="Control+K Meta+K"
        onClick={() => setOpen(true)}
        style={{ display: "flex", padding: 6 }}
      >
        <FindIcon />
      </UnstyledButton>
      {open && (
        <Suspense fallback={null}>
          <Palette person={person} pages={pages} close={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
