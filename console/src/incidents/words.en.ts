import type { zh } from "./words.zh";

export const en: Record<keyof typeof zh, string> = {
  title: "Open an incident",
  meaning:
    "For what no alert and no resident has told: an emergency that was phoned in. When the plan starts, its tasks go to the departments at once.",
  what: "What has happened",
  whatHint: "One sentence: where, and what. It stands in the log, on the tasks of the departments and on the wall.",
  kind: "Kind",
  asPlan: "As the plan has it",
  level: "Level",
  chooseLevel: "Choose a level",
  plan: "Which plan starts",
  choosePlan: "Choose a plan",
  suited: "For this kind and level",
  suitedNone: "No plan is declared for this kind and level: take another one, or publish one in the library first.",
  others: "Other plans",
  noPlans: "No plan is published yet",
  noPlansWhy: "Publish a plan in the library first: without one there are no tasks to hand out.",
};
