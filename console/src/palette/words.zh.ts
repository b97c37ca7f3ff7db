/** 查找面板的用语。 */

export const zh = {
  title: "查找",
  placeholder: "预警、事件、任务、企业、车牌、信用代码、数据源、预案……",
  none: "没有找到",
  noneWhy: "换个说法，或只输入名称、编号的一部分。只会找到您有权查看的内容。",
  found: "{n} 条结果",
  "kind.page": "页面",
  "kind.alert": "预警",
  "kind.incident": "事件",
  "kind.task": "任务",
  "kind.subject": "主体",
  "kind.source": "数据源",
  "kind.dataset": "数据集",
  "kind.plan": "预案",
  "keys.move": "移动",
  "keys.go": "打开",
  "keys.close": "关闭",
} as const;
