/** Web Mercator as the map has it: the world is the square from 0 to 1, x to the east, y to the south. */

export const mercatorX = (lon: number) => (180 + lon) / 360;

export const mercatorY = (lat: number) =>
  (180 - (180 / Math.PI) * Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360))) / 360;

export const lonOf = (x: number) => x * 360 - 180;

export const latOf = (y: number) => (360 / Math.PI) * Math.atan(Math.exp(((180 - y * 360) * Math.PI) / 180)) - 90;
