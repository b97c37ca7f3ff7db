/** The pages of handing over come in one piece. */

export { default as HandoverPage } from "./HandoverPage";
export { NotePage, Notes } from "./Notes";
