/** The words of opening an incident by hand, in both languages. */

import { ownWords } from "../i18n/own";
import { en } from "./words.en";
import { zh } from "./words.zh";

export const useOpenWords = ownWords(zh, en);
