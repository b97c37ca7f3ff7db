/** Accountability: the report of a period, appeals, formulas. The address says which, and which period. */

import { useParams } from "wouter";
import { Appeals } from "../account/Appeals";
import { Formulas } from "../account/Formulas";
import { useToday } from "../account/parts";
import { ReportPage } from "../account/Report";
import "../account/account.css";
import { useWords } from "../i18n";
import { Empty, Panel } from "../ui/states";

export default function Scores() {
  const { t } = useWords();
  const { view } = useParams<{ view?: string }>();
  const today = useToday();
  if (view === undefined) return <ReportPage today={today} />;
  if (view === "appeals") return <Appeals today={today} />;
  if (view === "formulas") return <Formulas today={today} />;
  return (
    <div className="page">
      <Panel>
        <Empty title={t("state.missing")}>{t("state.missingRemedy")}</Empty>
      </Panel>
    </div>
  );
}
