/** The pages of subjects come in one piece: one leads to the next. */

export { default as Reviews } from "./Reviews";
export { default as SubjectPage } from "./SubjectPage";
export { default as Subjects } from "./Subjects";
