/** Opens the palette: by its button, by Ctrl K or ⌘ K. The palette itself comes when it is first wanted. */

import { UnstyledButton } from "@mantine/core";
import { useEffect, useState } from "react";
import { FindIcon } from "../ui/icons";
import { useTell } from "../ui/Toast";
import type Palette from "./Palette";
import type { PalettePage } from "./Palette";

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
  const [Shown, setShown] = useState<typeof Palette | null>(null);
  const tell = useTell();
  // Not by lazy(): one that does not come because the city is away is asked for again the next time.
  useEffect(() => {
    if (!open || Shown !== null) return;
    import("./Palette").then(
      (come) => setShown(() => come.default),
      (error: unknown) => {
        setOpen(false);
        tell.failed(error);
      },
    );
  }, [open, Shown, tell]);
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
      {open && Shown !== null && <Shown person={person} pages={pages} close={() => setOpen(false)} />}
    </>
  );
}
