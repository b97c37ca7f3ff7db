/** Web Mercator as the map has it: the world is the square from 0 to 1, x to the east, y to the south. */

export const mercatorX = (lon: number) => (180 + lon) / 360;

export const mercatorY = (lat: number) =>
  (180 - (180 / Math.PI) * Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360))) / 360;

export const lonOf = (x: number) => x * 360 - 180;

export const latOf = (y: number) => (360 / Math.PI) * Math.atan(Math.exp(((180 - y * 360) * Math.PI) / 180)) - 90;

/**
 * How far south of a place in the square a latitude is. Around the place a series stands for the logarithm, which takes
 * longer than everything else when a hundred thousand vehicles are told; it is exact to a centimetre within a degree.
 */
export function mercatorYNear(y: number): (lat: number) => number {
  const centre = latOf(y);
  const phi = (centre * Math.PI) / 180;
  const sec = 1 / Math.cos(phi);
  const tan = Math.tan(phi);
  // derivatives of ln tan(π/4 + φ/2), from the first to the sixth, over their factorials
  const t2 = tan * tan;
  const s2 = sec * sec;
  const series = [
    sec,
    (sec * tan) / 2,
    (sec * (t2 + s2)) / 6,
    (sec * tan * (t2 + 5 * s2)) / 24,
    (sec * (t2 * t2 + 18 * t2 * s2 + 5 * s2 * s2)) / 120,
    (sec * tan * (t2 * t2 + 58 * t2 * s2 + 61 * s2 * s2)) / 720,
  ];
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = series;
  return (lat) => {
    if (Math.abs(lat - centre) > NEAR) return mercatorY(lat) - y;
    const away = ((lat - centre) * Math.PI) / 180;
    return (-away * (a + away * (b + away * (c + away * (d + away * (e + away * f)))))) / (2 * Math.PI);
  };
}

const NEAR = 1; // degrees
