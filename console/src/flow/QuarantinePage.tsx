/** Everything in quarantine that one may see, whichever source it came from. */

import { Quarantine } from "./QuarantinePart";
import { Tabs } from "./Tabs";
import { useFlowWords } from "./words";

export default function QuarantinePage() {
  const { f } = useFlowWords();
  return (
    <div className="page">
      <div className="head">
        <div className="line">
          <h1 style={{ fontSize: 20, margin: 0 }}>{f("quarantine.title")}</h1>
          <Tabs at="quarantine" />
        </div>
      </div>
      <Quarantine source={null} />
    </div>
  );
}
