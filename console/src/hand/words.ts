/** The words of handing files over, in both languages. */

import { ownWords } from "../i18n/own";
import { en } from "./words.en";
import { zh } from "./words.zh";

export const useHandWords = ownWords(zh, en);
