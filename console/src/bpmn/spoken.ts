/** A drawing in the reader's language, to look at: BPMN names each thing once, and the city keeps the other name beside. */

import type { Department, Language, Text } from "../api/types";

const MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL";
const CH = "https://cityheart.org/bpmn/1";

interface Speaking {
  language: Language;
  departments: readonly Department[] | undefined;
  say(text: Text): string;
  condition(source: string): string;
}

/** The same file with titles, departments and conditions in words. What cannot be read is given back as it is. */
export function spoken(xml: string, { language, departments, say, condition }: Speaking): string {
  const file = new DOMParser().parseFromString(xml, "application/xml");
  if (file.getElementsByTagName("parsererror").length > 0) return xml;
  const of = (name: string) => [...file.getElementsByTagNameNS(MODEL, name)];
  if (language === "en")
    for (const element of file.getElementsByTagNameNS(MODEL, "*")) {
      const english = element.getAttributeNS(CH, "en");
      if (english) element.setAttribute("name", english);
    }
  for (const lane of of("lane")) {
    const title = departments?.find(({ code }) => code === lane.getAttributeNS(CH, "unit"))?.title;
    if (title) lane.setAttribute("name", say(title));
  }
  const [process] = of("process");
  const [pool] = of("participant");
  const title = process?.getAttribute("name");
  if (pool && title && process?.getAttributeNS(CH, "en")) pool.setAttribute("name", title);
  for (const flow of of("sequenceFlow")) {
    const name = flow.getAttribute("name");
    if (name) flow.setAttribute("name", condition(name));
  }
  return new XMLSerializer().serializeToString(file);
}
