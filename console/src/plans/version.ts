/** The version a new draft of a published plan or table begins with: its last number goes on to one nobody has used. */
export function nextVersion(version: string, taken: readonly string[]): string {
  const last = version.match(/^(.*?)(\d+)(\D*)$/s);
  if (last === null) return `${version}.2`;
  const [, before = "", number = "0", after = ""] = last;
  let next = Number(number) + 1;
  while (taken.includes(`${before}${next}${after}`)) next += 1;
  return `${before}${next}${after}`;
}

/** A drawing with another version of its plan, everything else as it is. */
export const renumbered = (xml: string, version: string): string =>
  xml.replace(
    /(<(?:\w+:)?process\b[^>]*?\sch:version=")[^"]*(")/,
    (_, before: string, after: string) => `${before}${version.replace(/[<>&"]/g, "")}${after}`,
  );
