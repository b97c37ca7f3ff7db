/** The rows of a dataset as you may see them, with a condition, page by page, and as a file. */

import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { CellView } from "../ui/Cell";
import { Empty, Failure, Loading, Panel } from "../ui/states";
import { Table } from "../ui/Table";
import { useRows } from "./grants";
import type { CatalogueDataset } from "./types";
import { useFlowWords } from "./words";

const PAGE = 20;

export function RowsPart({ dataset }: { dataset: CatalogueDataset }) {
  const { f, say, number } = useFlowWords();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const [where, setWhere] = useState("");
  const [after, setAfter] = useState(0);
  const rows = useRows(dataset.name, where, after, open);
  const file = `/api/datasets/${encodeURIComponent(dataset.name)}/export?where=${encodeURIComponent(where)}`;
  if (!dataset.sight.open) return null;
  return (
    <Panel
      title={f("rows.title")}
      aside={
        open ? (
          <a href={where ? file : file.split("?")[0]} download>
            {f("rows.export")}
          </a>
        ) : (
          <Button size="xs" variant="default" data-testid="rows-open" onClick={() => setOpen(true)}>
            {f("rows.open")}
          </Button>
        )
      }
    >
      {open && (
        <form
          className="body line"
          onSubmit={(event) => {
            event.preventDefault();
            setAfter(0);
            setWhere(typed);
          }}
        >
          <TextInput
            size="xs"
            w={420}
            aria-label={f("ask.rows")}
            placeholder={f("ask.rowsWhy")}
            value={typed}
            onChange={({ currentTarget: { value } }) => setTyped(value)}
          />
          <Button size="xs" type="submit" variant="default">
            {f("rows.apply")}
          </Button>
        </form>
      )}
      {open &&
        (rows.data === undefined ? (
          rows.error ? (
            <Failure error={rows.error} retry={() => void rows.refetch()} />
          ) : (
            <Loading lines={6} />
          )
        ) : rows.data.items.length === 0 ? (
          <Empty title={f("table.nothing")}>{f("rows.none")}</Empty>
        ) : (
          <>
            <section className="flush" tabIndex={0} aria-label={f("rows.title")} style={{ overflow: "auto" }}>
              <Table data-testid="rows-table" style={{ whiteSpace: "nowrap" }}>
                <thead>
                  <tr>
                    {rows.data.columns.map((one) => (
                      <th key={one.name}>
                        {say(one.title)} {one.unit && <span className="quiet">({one.unit})</span>}
                        {one.withheld && <div className="tag">{f("rows.withheld")}</div>}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {rows.data.items.map((row, at) => (
                    <tr key={`${after}-${at}`}>
                      {rows.data.columns.map((one) => (
                        <td key={one.name}>
                          {one.withheld ? (
                            <span className="quiet">···</span>
                          ) : (
                            <CellView cell={row[one.name] ?? null} labels={one.labels} />
                          )}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </Table>
            </section>
            <div className="body line">
              <Button
                size="xs"
                variant="default"
                disabled={after === 0}
                onClick={() => setAfter(Math.max(0, after - PAGE))}
              >
                {f("rows.before")}
              </Button>
              <span className="quiet">
                {f("rows.of", {
                  a: number(after + 1, 0),
                  b: number(after + rows.data.items.length, 0),
                  n: number(rows.data.total, 0),
                })}
              </span>
              <Button
                size="xs"
                variant="default"
                disabled={rows.data.next === null}
                onClick={() => setAfter(after + PAGE)}
              >
                {f("rows.after")}
              </Button>
            </div>
          </>
        ))}
    </Panel>
  );
}
