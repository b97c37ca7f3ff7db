/**
 * Points by the ten thousand as one draw call: positions are uploaded when they change, moved between uploads by the
 * vertex shader, and the map is painted again only while something moves.
 */

import type { CustomLayerInterface, CustomRenderMethodInput, Map as GlMap } from "maplibre-gl";

const VERTEX = `#version 300 es
uniform mat4 u_matrix;
uniform vec4 u_origin;
uniform float u_now;
uniform float u_glide;
uniform float u_size;
in vec4 a_place;
in float a_start;
in vec4 a_colour;
out vec4 v_colour;
void main() {
  float share = clamp((u_now - a_start) / u_glide, 0.0, 1.0);
  gl_Position = u_origin + u_matrix * vec4(mix(a_place.xy, a_place.zw, share), 0.0, 0.0);
  gl_PointSize = u_size;
  v_colour = a_colour;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform vec4 u_ring;
in vec4 v_colour;
out vec4 colour;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float inside = 1.0 - smoothstep(0.9, 1.0, away);
  vec3 paint = mix(v_colour.rgb, u_ring.rgb, smoothstep(0.62, 0.74, away));
  float opacity = inside * v_colour.a;
  colour = vec4(paint * opacity, opacity);
}`;

/** What a layer draws; it is asked before every frame. Offsets are float32 in the map's square, from the origin. */
export interface Points {
  readonly origin: { x: number; y: number };
  /** Page's clock at which `starts` begin. */
  readonly zero: number;
  readonly count: number;
  /** from x, from y, to x, to y of each. */
  readonly places: Float32Array;
  readonly starts: Float32Array;
  /** Rises with every change. */
  readonly change: number;
  /** Page's clock until which something moves. */
  readonly movingUntil: number;
  readonly glide: number;
  /** red, green, blue, opacity of each; else one for all. */
  readonly colours: Uint8Array | null;
}

export interface Look {
  colour: [number, number, number, number];
  ring: [number, number, number];
  /** Diameter at zoom 8 and at zoom 13, in CSS pixels. */
  size: [number, number];
}

export class PointLayer implements CustomLayerInterface {
  readonly type = "custom";
  readonly renderingMode = "2d";
  /** Frames drawn, and how long this page's own code took for them, in ms. */
  readonly spent = { frames: 0, ms: 0 };
  private map: GlMap | null = null;
  private program: WebGLProgram | null = null;
  private arrays: WebGLVertexArrayObject | null = null;
  private buffers: WebGLBuffer[] = [];
  private uniforms: Record<string, WebGLUniformLocation | null> = {};
  private uploaded = -1;
  private room = 0;
  /** What the buffer of colours holds when all points have one: how many, and which. */
  private plain = { count: 0, colour: "" };

  constructor(
    readonly id: string,
    public points: Points,
    public look: Look,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  onAdd(map: GlMap, gl: WebGL2RenderingContext): void {
    this.map = map;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ] as const) {
      const shader = gl.createShader(kind);
      if (shader === null) return;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      console.error("the points cannot be drawn", gl.getProgramInfoLog(program));
      return;
    }
    this.program = program;
    for (const name of ["u_matrix", "u_origin", "u_now", "u_glide", "u_size", "u_ring"])
      this.uniforms[name] = gl.getUniformLocation(program, name);
    this.arrays = gl.createVertexArray();
    gl.bindVertexArray(this.arrays);
    this.buffers = [];
    for (const [name, size, type, scaled] of [
      ["a_place", 4, gl.FLOAT, false],
      ["a_start", 1, gl.FLOAT, false],
      ["a_colour", 4, gl.UNSIGNED_BYTE, true],
    ] as const) {
      const buffer = gl.createBuffer();
      this.buffers.push(buffer);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      const at = gl.getAttribLocation(program, name);
      if (at < 0) continue;
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, scaled, 0, 0);
    }
    gl.bindVertexArray(null);
    gl.bindBuffer(gl.ARRAY_BUFFER, null);
    this.uploaded = -1;
    this.room = 0;
    this.plain = { count: 0, colour: "" };
  }

  onRemove(_map: GlMap, gl: WebGL2RenderingContext): void {
    for (const buffer of this.buffers) gl.deleteBuffer(buffer);
    gl.deleteVertexArray(this.arrays);
    gl.deleteProgram(this.program);
    this.program = null;
    this.map = null;
  }

  /** Draws other points, or the same in another look. */
  show(points: Points, look: Look): void {
    this.points = points;
    this.look = look;
    this.uploaded = -1;
    this.repaint();
  }

  /** Paints again after the points changed. */
  repaint(): void {
    this.map?.triggerRepaint();
  }

  render(gl: WebGL2RenderingContext | WebGLRenderingContext, { defaultProjectionData }: CustomRenderMethodInput): void {
    const { points, program, map } = this;
    if (program === null || map === null || !(gl instanceof WebGL2RenderingContext)) return;
    const began = this.clock();
    this.upload(gl);
    if (points.count > 0) {
      const matrix = defaultProjectionData.mainMatrix as unknown as ArrayLike<number>;
      const { x, y } = points.origin;
      const m = (at: number) => matrix[at] ?? 0;
      // The origin is moved in doubles here; only what is left of it goes through float32.
      const origin = [0, 1, 2, 3].map((row) => m(row) * x + m(4 + row) * y + m(12 + row));
      const [small, large] = this.look.size;
      const share = Math.min(1, Math.max(0, (map.getZoom() - 8) / 5));
      // biome-ignore lint/correctness/useHookAtTopLevel: a WebGL call, no hook of React
      gl.useProgram(program);
      gl.uniformMatrix4fv(this.uniforms.u_matrix ?? null, false, Float32Array.from(matrix));
      gl.uniform4fv(this.uniforms.u_origin ?? null, origin);
      gl.uniform1f(this.uniforms.u_now ?? null, began - points.zero);
      gl.uniform1f(this.uniforms.u_glide ?? null, Math.max(1, points.glide));
      gl.uniform1f(this.uniforms.u_size ?? null, (small + share * (large - small)) * devicePixelRatio);
      gl.uniform4f(this.uniforms.u_ring ?? null, ...this.look.ring, 1);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.bindVertexArray(this.arrays);
      gl.drawArrays(gl.POINTS, 0, points.count);
      gl.bindVertexArray(null);
    }
    if (points.movingUntil > began) map.triggerRepaint();
    this.spent.frames += 1;
    this.spent.ms += this.clock() - began;
  }

  private upload(gl: WebGL2RenderingContext): void {
    const { points } = this;
    if (this.uploaded === points.change) return;
    this.uploaded = points.change;
    const { count } = points;
    const fits = count <= this.room;
    this.room = fits ? this.room : count;
    const parts = [points.places.subarray(0, count * 4), points.starts.subarray(0, count), this.colours(count, fits)];
    for (const [at, part] of parts.entries()) {
      if (part === null) continue;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[at] ?? null);
      if (fits) gl.bufferSubData(gl.ARRAY_BUFFER, 0, part);
      else gl.bufferData(gl.ARRAY_BUFFER, part, gl.DYNAMIC_DRAW);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, null);
  }

  /** The colours to upload; null when the buffer holds them already. */
  private colours(count: number, fits: boolean): Uint8Array | null {
    const colour = this.points.colours === null ? this.look.colour.join() : "";
    const { plain } = this;
    if (fits && colour !== "" && plain.colour === colour && count <= plain.count) return null;
    this.plain = { count, colour };
    return this.points.colours ?? filled(count, this.look.colour);
  }
}

function filled(count: number, [red, green, blue, opacity]: readonly [number, number, number, number]): Uint8Array {
  const colours = new Uint8Array(count * 4);
  new Uint32Array(colours.buffer).fill(((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  return colours;
}

/** The point nearest to a place in the map's square, within a distance; null when there is none. */
export function nearest(points: Points, x: number, y: number, within: number): number | null {
  const { places, count } = points;
  const wantedX = x - points.origin.x;
  const wantedY = y - points.origin.y;
  let best = within * within;
  let found: number | null = null;
  for (let at = 0; at < count; at++) {
    const eastward = (places[at * 4 + 2] ?? 0) - wantedX;
    const southward = (places[at * 4 + 3] ?? 0) - wantedY;
    const away = eastward * eastward + southward * southward;
    if (away <= best) {
      best = away;
      found = at;
    }
  }
  return found;
}

/** "#rrggbb" as three numbers from 0 to 255. */
export function rgb(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
