/** Files that a person gives: their text, whichever encoding an office program wrote, and the header of a CSV. */

/** UTF-8, else what Chinese office programs write. */
export function decoded(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}

export const textOf = async (file: File): Promise<string> => decoded(await file.arrayBuffer());

/** The fields of the first record of a CSV text; quotes may hold commas and line breaks. */
export function header(text: string): string[] {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let at = text.startsWith("\ufeff") ? 1 : 0; at < text.length; at += 1) {
    const sign = text[at] ?? "";
    if (quoted) {
      if (sign !== '"') field += sign;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === ",") {
      fields.push(field);
      field = "";
    } else if (sign === "\n" || sign === "\r") break;
    else field += sign;
  }
  return [...fields, field].filter((name) => name !== "");
}

/** Packed where the browser can: what a city takes is bounded by what travels. */
export async function packed(name: string, text: string): Promise<{ name: string; blob: Blob }> {
  const plain = new Blob([text], { type: "text/csv" });
  if (typeof CompressionStream === "undefined") return { name, blob: plain };
  const stream = plain.stream().pipeThrough(new CompressionStream("gzip"));
  return { name: `${name}.gz`, blob: await new Response(stream).blob() };
}

export async function unpacked(file: File): Promise<string> {
  const stream = file.stream().pipeThrough(new DecompressionStream("gzip"));
  return decoded(await new Response(stream).arrayBuffer());
}
