/** A drawing in the reader's language, to look at: BPMN names each thing once, and the city keeps the other name beside. */

import type { Department, Language, Text } from "../api/types";
import { askedNames } from "../plans/asked";
import type { AskedEvidence, FormSchema, Step } from "../plans/types";

const MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL";
const CH = "https://cityheart.org/bpmn/1";

interface Speaking {
  language: Language;
  departments: readonly Department[] | undefined;
  say(text: Text): string;
  condition(source: string, names: ReadonlyMap<string, string>): string;
  /** What a kind of matter is called. */
  kind(code: string): string;
  /** A length of time in ISO 8601, in words. */
  length(iso: string): string;
}

/** The same file with titles, departments and conditions in words. What cannot be read is given back as it is. */
export function spoken(xml: string, { language, departments, say, condition, kind, length }: Speaking): string {
  const file = new DOMParser().parseFromString(xml, "application/xml");
  if (file.getElementsByTagName("parsererror").length > 0) return xml;
  const of = (name: string) => [...file.getElementsByTagNameNS(MODEL, name)];
  if (language === "en")
    for (const element of file.getElementsByTagNameNS(MODEL, "*")) {
      const english = element.getAttributeNS(CH, "en");
      if (english) element.setAttribute("name", english);
    }
  const chosen = parameters(file);
  for (const lane of of("lane")) {
    const unit = lane.getAttributeNS(CH, "unit") ?? "";
    const title = unit.startsWith("$") ? chosen[unit.slice(1)] : departments?.find(({ code }) => code === unit)?.title;
    // a lane has room for what it is, not for what is explained in brackets
    if (title) lane.setAttribute("name", say(title).replace(/\s*[（(].*$/, ""));
  }
  for (const duration of of("timeDuration")) {
    const event = duration.parentElement?.parentElement;
    const iso = duration.textContent?.trim() ?? "";
    if (event?.getAttribute("name") && iso) event.setAttribute("name", length(iso));
  }
  for (const start of of("startEvent")) {
    const code = start.getAttributeNS(CH, "kind");
    if (code) start.setAttribute("name", kind(code));
  }
  const [process] = of("process");
  const [pool] = of("participant");
  const title = process?.getAttribute("name");
  if (pool && title && process?.getAttributeNS(CH, "en")) pool.setAttribute("name", title);
  const names = askedNames(forms(file), (text) => (typeof text === "string" ? text : say(text)), chosen);
  for (const flow of of("sequenceFlow")) {
    const name = flow.getAttribute("name");
    if (name) flow.setAttribute("name", condition(name, names));
  }
  return new XMLSerializer().serializeToString(file);
}

const both = (zh: string | null, en: string | null): Text | null =>
  zh || en ? { "zh-CN": zh || en || "", en: en || zh || "" } : null;

/** What is asked at the start, by name. */
function parameters(file: Document): Record<string, Text> {
  const found: Record<string, Text> = {};
  for (const one of file.getElementsByTagNameNS(CH, "parameter")) {
    const title = both(one.getAttribute("titleZh"), one.getAttribute("titleEn"));
    const name = one.getAttribute("name");
    if (name && title) found[name] = title;
  }
  return found;
}

/** The forms of the steps, with the names that their answers set. */
function forms(file: Document): Pick<Step, "sets" | "evidence">[] {
  const elements = new Set([...file.getElementsByTagNameNS(CH, "sets")].map((one) => one.parentElement));
  return [...elements].map((element) => {
    const sets: Record<string, string> = {};
    const evidence: AskedEvidence[] = [];
    for (const one of element?.children ?? []) {
      if (one.namespaceURI !== CH) continue;
      const [variable, field] = [one.getAttribute("variable"), one.getAttribute("field")];
      if (one.localName === "sets" && variable && field) sets[variable] = field;
      if (one.localName === "evidence" && one.textContent?.trim())
        try {
          evidence.push({ kind: "form", schema: JSON.parse(one.textContent) as FormSchema });
        } catch {} // a form that cannot be read names nothing
    }
    return { sets, evidence };
  });
}
