/** Bytes as a person reads them: hexadecimal with their letters beside, or text in which nothing is hidden. */

export function bytesOf(base64: string): Uint8Array {
  const letters = atob(base64);
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

const two = (value: number) => value.toString(16).padStart(2, "0");

/** Sixteen bytes a line: where it is, the bytes, and those that are letters of ASCII. */
export function hex(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const codes = part.map((value, place) => (place === 8 ? ` ${two(value)}` : two(value))).join(" ");
    const letters = part.map((value) => (value >= 32 && value < 127 ? String.fromCharCode(value) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(48)}  ${letters}`);
  }
  return lines.join("\n");
}

export const ENCODINGS = ["utf-8", "gb18030", "utf-16le"] as const;

/** A letter that would not be seen, or would turn the text around it, as something that is seen. */
function seen(letter: string): string {
  const code = letter.charCodeAt(0);
  if (code === 0x7f) return "\u2421";
  if (code < 32 && code !== 9 && code !== 10 && code !== 13) return String.fromCharCode(0x2400 + code);
  const turns = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return turns ? `⟨U+${code.toString(16).toUpperCase()}⟩` : letter;
}

/** Text in which nothing is hidden: control characters are shown as pictures of them (U+2400…), but line ends and tabs. */
export const readable = (bytes: Uint8Array, encoding: (typeof ENCODINGS)[number]): string =>
  Array.from(new TextDecoder(encoding).decode(bytes), seen).join("");

/** Whether most of the bytes are letters, so that text is what one wants to see first. */
export function looksLikeText(bytes: Uint8Array): boolean {
  let odd = 0;
  for (const value of bytes.subarray(0, 512)) if (value < 9 || (value > 13 && value < 32) || value === 127) odd += 1;
  return odd * 20 <= Math.min(bytes.length, 512);
}

/** A quarantined row as its columns, null when the bytes are no such thing. */
export function recordOf(bytes: Uint8Array): [string, string][] | null {
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof found !== "object" || found === null || Array.isArray(found)) return null;
    return Object.entries(found).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]);
  } catch {
    return null;
  }
}
