/** Frames of positions as they come over the live channel once a second, made apart from the page that draws them. */

import { lat, lon } from "./places";

function told(n: number, second: number): ArrayBuffer {
  const frame = new ArrayBuffer(16 + n * 16);
  const view = new DataView(frame);
  view.setUint8(0, 1);
  view.setUint8(1, second === 0 ? 1 : 0);
  view.setUint32(4, n, true);
  for (let at = 0; at < n; at++) {
    view.setUint32(16 + at * 16, at, true);
    view.setInt32(20 + at * 16, Math.round(lon(at, n, second) * 1e6), true);
    view.setInt32(24 + at * 16, Math.round(lat(at, n, second) * 1e6), true);
    view.setUint32(28 + at * 16, second, true);
  }
  return frame;
}

self.onmessage = ({ data: n }: MessageEvent<number>) => {
  let second = 0;
  const say = () => {
    const frame = told(n, second++);
    self.postMessage(frame, { transfer: [frame] });
  };
  say();
  setInterval(say, 1_000);
};
