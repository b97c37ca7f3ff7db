/** The pages of applications come in one piece; charts and the map are loaded where a section needs them. */

export { default as AppPage } from "./AppPage";
export { default as Apps } from "./Apps";
export { default as SubjectOf } from "./SubjectOf";
export { default as SubjectTab } from "./SubjectTab";
