/** What cleaning did to a field: how many values each step changed, and how many rows it refused. */

import type { FieldCounts } from "./types";
import { useFlowWords } from "./words";

function Heading() {
  const { f } = useFlowWords();
  return <th>{f("quality.cleaned")}</th>;
}

function Cell({ of }: { of: FieldCounts }) {
  const { t, code, number } = useFlowWords();
  const steps = Object.entries(of.cleaned ?? {}).filter(([, count]) => count > 0);
  const refused = Object.entries(of.refused ?? {}).filter(([, count]) => count > 0);
  return (
    <td className="numeric" data-testid="cleaned">
      {steps.map(([step, count]) => (
        <div key={step}>
          {code("step", step)} {number(count, 0)}
        </div>
      ))}
      {refused.map(([step, count]) => (
        <div key={step} className="flow-poor">
          {code("step", step)} {t("source.refused")} {number(count, 0)}
        </div>
      ))}
    </td>
  );
}

/** Whether a step changed or refused anything at all: else the column is left out. */
const any = (fields: readonly FieldCounts[]) =>
  fields.some(({ cleaned, refused }) => Object.keys({ ...cleaned, ...refused }).length > 0);

export const Cleaned = { any, Heading, Cell };
