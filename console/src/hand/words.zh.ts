export const zh = {
  choose: "选择文件",
  drop: "或把文件拖到这里",
  remove: "移除",
  send: "递交",
  stop: "停止",
  close: "关闭",
  landing: "检查入库中；关闭本窗口也会继续",
  tooLarge: "超过 {most}，不能在这里递交",
  stopped: "已停止，没有入库",
};
