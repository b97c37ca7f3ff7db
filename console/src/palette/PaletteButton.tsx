/** Opens the palette: by its button, by Ctrl K or ⌘ K. It is small and comes with the frame, also when the city is away. */

import { UnstyledButton } from "@mantine/core";
import { useEffect, useState } from "react";
import { FindIcon } from "../ui/icons";
import Palette, { type PalettePage } from "./Palette";

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
      {open && <Palette person={person} pages={pages} close={() => setOpen(false)} />}
    </>
  );
}
