declare module "bpmn-js-i18n/translations/zn" {
  const words: Record<string, string>;
  export default words;
}
