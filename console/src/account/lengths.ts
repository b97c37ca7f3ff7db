/** P10D → 10; null when it is no number of whole days. */
export function daysOf(iso: string): number | null {
  const found = /^P(\d+)D$/.exec(iso);
  return found ? Number(found[1]) : null;
}
