/** Which columns of a dataset are asked for or given: without a choice all that are not classified. */

import { Checkbox } from "@mantine/core";
import type { CatalogueDataset } from "./types";
import { useFlowWords } from "./words";

interface Asked {
  dataset: CatalogueDataset;
  columns: string[];
  choose: (columns: string[]) => void;
}

export function ColumnsField({ dataset, columns, choose }: Asked) {
  const { f, say } = useFlowWords();
  return (
    <Checkbox.Group label={f("ask.columns")} description={f("ask.columnsWhy")} value={columns} onChange={choose}>
      <div className="grants-columns">
        {dataset.fields.map((field) => (
          <Checkbox
            key={field.name}
            size="xs"
            value={field.name}
            label={
              <>
                {say(field.title) || field.name} <span className="mono quiet">{field.name}</span>{" "}
                {field.secrecy && <span className="tag">{f(`secrecy.${field.secrecy}`)}</span>}
              </>
            }
          />
        ))}
      </div>
    </Checkbox.Group>
  );
}
