/** The pages of the flow of data, from the whole city down to one bad row, and the catalogue. */

export { default as BadRowPage } from "./BadRowPage";
export { default as Catalogue } from "./Catalogue";
export { default as DatasetPage } from "./DatasetPage";
export { default as DeliveryPage } from "./DeliveryPage";
export { default as DepartmentPage } from "./DepartmentPage";
export { default as FlowPage } from "./FlowPage";
export { default as QuarantinePage } from "./QuarantinePage";
