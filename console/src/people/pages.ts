export { default as AuditPage } from "../audit/AuditPage";
export { default as DetectorPage } from "../detectors/DetectorPage";
export { default as Detectors } from "../detectors/Detectors";
export { default as JobPage } from "../jobs/JobPage";
export { default as JobsPage } from "../jobs/JobsPage";
export { default as MePage } from "./MePage";
export { default as Outbox } from "./Outbox";
export { default as People } from "./People";
