/** Sizes of files as people read them. */

const SIZES = ["B", "kB", "MB", "GB", "TB"] as const;

export function sized(count: number): [number, string] {
  let left = count;
  let place = 0;
  while (left >= 999.5 && place < SIZES.length - 1) {
    left /= 1_000;
    place += 1;
  }
  return [left, SIZES[place] ?? "B"];
}

export function sizeWords(count: number, number: (value: number, digits?: number) => string): string {
  const [value, unit] = sized(count);
  return `${number(value, unit === "B" || value >= 99.5 ? 0 : 1)} ${unit}`;
}
