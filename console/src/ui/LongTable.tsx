/** A table of any length: only rows in view exist, and the next page is asked for before its end is reached. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";
import { Table } from "./Table";
import "./long.css";

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isFetchNextPageError: boolean;
  fetchNextPage: () => unknown;
}

export interface RowProps {
  ref: (element: HTMLTableRowElement | null) => void;
  "data-index": number;
  "aria-rowindex": number;
}

const AHEAD = 15;

export function LongTable({
  label,
  head,
  columns,
  count,
  row,
  pages,
  test,
  most,
}: {
  label: string;
  head: ReactNode;
  columns: number;
  count: number;
  row: (index: number, props: RowProps) => ReactNode;
  pages?: Pages;
  test: string;
  /** At most so many pixels high; without it as high as the window allows. */
  most?: number;
}) {
  const box = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => box.current,
    estimateSize: () => 44,
    overscan: 10,
  });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1);
  const near = last !== undefined && last.index >= count - AHEAD;
  const wants = near && (pages?.hasNextPage ?? false) && !pages?.isFetchingNextPage && !pages?.isFetchNextPageError;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the number of rows says that a page came
  useEffect(() => {
    if (wants) pages?.fetchNextPage();
  }, [wants, count]);
  const before = shown[0]?.start ?? 0;
  const after = last === undefined ? 0 : virtual.getTotalSize() - last.end;
  return (
    <section ref={box} className="long-scroll" tabIndex={0} aria-label={label} style={{ maxHeight: most }}>
      <Table aria-rowcount={pages?.hasNextPage ? -1 : count + 1} data-testid={test}>
        <thead>{head}</thead>
        <tbody>
          {before > 0 && (
            <tr>
              <td colSpan={columns} className="long-gap" style={{ height: before }} />
            </tr>
          )}
          {shown.map(({ index }) =>
            row(index, { ref: virtual.measureElement, "data-index": index, "aria-rowindex": index + 2 }),
          )}
          {after > 0 && (
            <tr>
              <td colSpan={columns} className="long-gap" style={{ height: after }} />
            </tr>
          )}
        </tbody>
      </Table>
    </section>
  );
}
