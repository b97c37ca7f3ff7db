/** Where each of so many vehicles is at a second: rings around its home, all over the city. */

export const BOUNDS: [number, number, number, number] = [120.2, 31.6, 121.9, 32.7];

const share = (at: number, factor: number, n: number) => ((at * factor) % n) / n;

export const lon = (at: number, n: number, second: number) =>
  120.3 + 1.5 * share(at, 7919, n) + 0.02 * Math.sin(second / 20 + at);

export const lat = (at: number, n: number, second: number) =>
  31.65 + share(at, 104_729, n) + 0.02 * Math.cos(second / 20 + at);
