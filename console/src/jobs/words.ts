import { ownWords } from "../i18n/own";
import { en } from "./words.en";
import { zh } from "./words.zh";

export const useJobWords = ownWords(zh, en);
