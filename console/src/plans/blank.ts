/** What a new draft begins with: something that already looks like a plan, so that nobody faces an empty page. */

export const blankDrawing = (): string => `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" xmlns:ch="https://cityheart.org/bpmn/1" id="definitions" targetNamespace="https://cityheart.org/plans">
  <bpmn:collaboration id="collaboration">
    <bpmn:participant id="pool" name="新预案" processRef="new-plan" />
  </bpmn:collaboration>
  <bpmn:process id="new-plan" name="新预案" ch:en="New plan" ch:plan="new-plan" ch:version="1" isExecutable="false">
    <bpmn:laneSet id="lanes">
      <bpmn:lane id="lane-1" name="（选择部门）">
        <bpmn:flowNodeRef>begin</bpmn:flowNodeRef>
        <bpmn:flowNodeRef>first-step</bpmn:flowNodeRef>
        <bpmn:flowNodeRef>finish</bpmn:flowNodeRef>
      </bpmn:lane>
    </bpmn:laneSet>
    <bpmn:startEvent id="begin"><bpmn:outgoing>flow-1</bpmn:outgoing></bpmn:startEvent>
    <bpmn:userTask id="first-step" name="第一项任务" ch:en="First task" ch:acceptWithin="PT30M" ch:due="PT3H">
      <bpmn:extensionElements>
        <ch:escalate at="accept" to="duty_officer" />
        <ch:evidence kind="note" min="1" />
      </bpmn:extensionElements>
      <bpmn:incoming>flow-1</bpmn:incoming>
      <bpmn:outgoing>flow-2</bpmn:outgoing>
    </bpmn:userTask>
    <bpmn:endEvent id="finish"><bpmn:incoming>flow-2</bpmn:incoming></bpmn:endEvent>
    <bpmn:sequenceFlow id="flow-1" sourceRef="begin" targetRef="first-step" />
    <bpmn:sequenceFlow id="flow-2" sourceRef="first-step" targetRef="finish" />
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement="collaboration">
      <bpmndi:BPMNShape id="pool-shape" bpmnElement="pool" isHorizontal="true"><dc:Bounds x="160" y="80" width="640" height="140" /></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="lane-1-shape" bpmnElement="lane-1" isHorizontal="true"><dc:Bounds x="190" y="80" width="610" height="140" /></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="begin-shape" bpmnElement="begin"><dc:Bounds x="232" y="132" width="36" height="36" /></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="first-step-shape" bpmnElement="first-step"><dc:Bounds x="330" y="110" width="120" height="80" /></bpmndi:BPMNShape>
      <bpmndi:BPMNShape id="finish-shape" bpmnElement="finish"><dc:Bounds x="522" y="132" width="36" height="36" /></bpmndi:BPMNShape>
      <bpmndi:BPMNEdge id="flow-1-edge" bpmnElement="flow-1"><di:waypoint x="268" y="150" /><di:waypoint x="330" y="150" /></bpmndi:BPMNEdge>
      <bpmndi:BPMNEdge id="flow-2-edge" bpmnElement="flow-2"><di:waypoint x="450" y="150" /><di:waypoint x="522" y="150" /></bpmndi:BPMNEdge>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn:definitions>
`;

export const blankText = (): string => `plan: new-plan
version: "1"
title: { zh-CN: "新预案", en: "New plan" }
steps:
  - id: first-step
    title: { zh-CN: "第一项任务", en: "First task" }
    unit: emergency-office
    accept_within: PT30M
    due: PT3H
    evidence: [{ kind: note, min: 1 }]
    escalate: [{ at: accept, to: duty_officer }]
`;

export const blankTable = (): string => `decision: new-table
version: "1"
title: { zh-CN: "新判定表", en: "New decision table" }
hit: F
inputs:
  - { name: level, type: number, label: "级别" }
outputs:
  - { name: unit, type: string, label: "承办部门" }
rules:
  - when: [1]
    then: [emergency-office]
  - when: ["-"]
    then: [emergency-office]
`;
