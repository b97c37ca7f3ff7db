/** What the keys of the command page do. */

import { Sheet } from "../ui/Sheet";
import { type CommandKey, useCommandWords } from "./words";

const KEYS: [string[], CommandKey][] = [
  [["J", "K"], "help.j"],
  [["A"], "help.a"],
  [["D"], "help.d"],
  [["↵"], "help.enter"],
  [["Esc"], "help.esc"],
  [["N"], "help.n"],
  [["Ctrl", "K"], "help.palette"],
  [["?"], "help.help"],
];

export function Help({ close }: { close: () => void }) {
  const { c } = useCommandWords();
  return (
    <Sheet title={c("help.title")} close={close}>
      <dl className="pairs keys" data-testid="keys-help">
        {KEYS.map(([keys, words]) => (
          <div key={words} style={{ display: "contents" }}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{c(words)}</dd>
          </div>
        ))}
      </dl>
    </Sheet>
  );
}
