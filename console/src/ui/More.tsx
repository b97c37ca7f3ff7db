/** The button at the end of a list that has more pages. */

import { Button } from "@mantine/core";

interface Pages {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

export function More({ pages, children }: { pages: Pages; children: string }) {
  if (!pages.hasNextPage) return null;
  return (
    <div style={{ padding: 8 }}>
      <Button variant="default" size="xs" loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
        {children}
      </Button>
    </div>
  );
}
