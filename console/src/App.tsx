import { Activity, lazy, type ReactNode, Suspense, useEffect } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { useCity, useSession } from "./api/queries";
import type { Session } from "./api/types";
import { useWords } from "./i18n";
import { LiveProvider, useReturns } from "./live/LiveProvider";
import { home, Shell } from "./ui/Shell";
import { Empty, Failure, Fence, Loading, Panel } from "./ui/states";

const FieldApp = lazy(() => import("./field/FieldApp"));
const InboxPage = lazy(() => import("./inbox/InboxPage"));
const Login = lazy(() => import("./pages/Login"));
const Command = lazy(() => import("./pages/Command"));
const AlertPage = lazy(() => import("./pages/AlertPage"));
const Matters = lazy(() => import("./matters/Matters"));
const MatterPage = lazy(() => import("./matters/MatterPage"));
const MatterFiles = lazy(() => import("./matters/Files"));
const TakeReport = lazy(() => import("./matters/TakeReport"));
const Cases = lazy(() => import("./knowledge/Cases"));
const ImportPage = lazy(() => import("./knowledge/ImportPage"));
const CasePage = lazy(() => import("./knowledge/CasePage"));
const Clauses = lazy(() => import("./knowledge/Clauses"));
const Incidents = lazy(() => import("./pages/Incidents"));
const IncidentPage = lazy(() => import("./pages/IncidentPage"));
const Tasks = lazy(() => import("./pages/Tasks"));
const TaskPage = lazy(() => import("./pages/TaskPage"));
const Scores = lazy(() => import("./pages/Scores"));
const Sources = lazy(() => import("./pages/Sources"));
const AlarmsPage = lazy(() => import("./alarms/AlarmsPage"));
const DutyPage = lazy(() => import("./duty/DutyPage"));
const SourcePage = lazy(() => import("./pages/SourcePage"));
/** The pages of the flow are small and one leads to the next: they come in one piece. */
const flow = (name: keyof typeof import("./flow/pages")) =>
  lazy(async () => ({ default: (await import("./flow/pages"))[name] }));
const FlowPage = flow("FlowPage");
const DepartmentPage = flow("DepartmentPage");
const DeliveryPage = flow("DeliveryPage");
const BadRowPage = flow("BadRowPage");
const QuarantinePage = flow("QuarantinePage");
const Catalogue = flow("Catalogue");
const DatasetPage = flow("DatasetPage");
const handover = (name: keyof typeof import("./handover/pages")) =>
  lazy(async () => ({ default: (await import("./handover/pages"))[name] }));
const HandoverPage = handover("HandoverPage");
const Notes = handover("Notes");
const NotePage = handover("NotePage");
const subjects = (name: keyof typeof import("./subjects/pages")) =>
  lazy(async () => ({ default: (await import("./subjects/pages"))[name] }));
const Subjects = subjects("Subjects");
const SubjectPage = subjects("SubjectPage");
const Reviews = subjects("Reviews");
const declared = (name: "AppPage" | "Apps" | "SubjectOf") =>
  lazy(async () => ({ default: (await import("./declared/pages"))[name] }));
const AppPage = declared("AppPage");
const Apps = declared("Apps");
const SubjectOf = declared("SubjectOf");
const HomePage = lazy(() => import("./department/HomePage"));
const kept = (
  name: "AuditPage" | "DetectorPage" | "Detectors" | "JobPage" | "JobsPage" | "MePage" | "Outbox" | "People",
) => lazy(async () => ({ default: (await import("./people/pages"))[name] }));
const AuditPage = kept("AuditPage");
const DetectorPage = kept("DetectorPage");
const Detectors = kept("Detectors");
const JobPage = kept("JobPage");
const JobsPage = kept("JobsPage");
const MePage = kept("MePage");
const Outbox = kept("Outbox");
const People = kept("People");
const NewPassword = lazy(() => import("./people/NewPassword"));
const Wall = lazy(() => import("./wall/Wall"));
const PlanLibrary = lazy(() => import("./pages/PlanLibrary"));
const PlanPage = lazy(() => import("./pages/PlanPage"));
const PlanDraft = lazy(() => import("./pages/PlanDraft"));
const PlanDecisions = lazy(() => import("./pages/PlanDecisions"));

export function App() {
  const [location] = useLocation();
  // The phone's page finds out by itself who it belongs to: there may be no signal.
  if (location === "/field" || location.startsWith("/field/"))
    return (
      <Fence resetKey={location}>
        <Suspense fallback={<Loading />}>
          <FieldApp />
        </Suspense>
      </Fence>
    );
  return (
    <Fence resetKey="">
      <Desk />
    </Fence>
  );
}

function Desk() {
  const { data: session, error, refetch } = useSession();
  if (session === undefined) return <Waiting error={error} retry={() => void refetch()} />;
  if (session?.must_change && !session.over)
    return (
      <Suspense fallback={<Loading />}>
        <NewPassword />
      </Suspense>
    );
  const over = session === null || session.over === true;
  return (
    <>
      {session !== null && (
        // A session that ended leaves its page behind the log-in, out of sight and with every word in it.
        <Activity mode={over ? "hidden" : "visible"}>
          <Inside key={session.actor.id} session={session} />
        </Activity>
      )}
      {over && (
        <Suspense fallback={<Loading />}>
          <Login ended={session !== null} />
        </Suspense>
      )}
    </>
  );
}

/** Before there is anything to show. */
function Waiting({ error, retry }: { error: Error | null; retry: () => void }) {
  return (
    <main className="login">
      <Panel>{error ? <Failure error={error} retry={retry} /> : <Loading />}</Panel>
    </main>
  );
}

/** Every page counts on the city's clock and zone, so none is shown before the city has told them. */
function Inside({ session }: { session: Session }) {
  const { say, t } = useWords();
  const [location] = useLocation();
  const asked = useCity();
  const city = asked.data;
  useEffect(() => {
    document.title = city ? `${say(city.title)} · ${t("product")}` : t("product");
  }, [city, say, t]);
  if (city === undefined) return <Waiting error={asked.error} retry={() => void asked.refetch()} />;
  // A wall has no navigation: nobody stands before it.
  if (location === "/wall")
    return (
      <LiveProvider city={city}>
        <PageFence>
          <Suspense fallback={<Loading />}>
            <Wall />
          </Suspense>
        </PageFence>
      </LiveProvider>
    );
  return (
    <LiveProvider city={city}>
      <Shell session={session} city={city}>
        <PageFence>
          <Suspense
            fallback={
              <div className="page">
                <Panel>
                  <Loading lines={6} />
                </Panel>
              </div>
            }
          >
            <Switch>
              <Route path="/command" component={Command} />
              <Route path="/alerts/:id" component={AlertPage} />
              <Route path="/matters" component={Matters} />
              <Route path="/matters/new" component={TakeReport} />
              <Route path="/matters/files" component={MatterFiles} />
              <Route path="/matters/:id" component={MatterPage} />
              <Route path="/cases" component={Cases} />
              <Route path="/cases/import" component={ImportPage} />
              <Route path="/cases/:id" component={CasePage} />
              <Route path="/clauses" component={Clauses} />
              <Route path="/incidents" component={Incidents} />
              <Route path="/incidents/:id" component={IncidentPage} />
              <Route path="/tasks" component={Tasks} />
              <Route path="/tasks/:id" component={TaskPage} />
              <Route path="/scores" component={Scores} />
              <Route path="/scores/:view" component={Scores} />
              <Route path="/sources" component={Sources} />
              <Route path="/sources/:id" component={SourcePage} />
              <Route path="/flow" component={FlowPage} />
              <Route path="/flow/:code" component={DepartmentPage} />
              <Route path="/deliveries/:id" component={DeliveryPage} />
              <Route path="/quarantine" component={QuarantinePage} />
              <Route path="/quarantine/:id" component={BadRowPage} />
              <Route path="/catalogue" component={Catalogue} />
              <Route path="/catalogue/:name" component={DatasetPage} />
              <Route path="/subjects" component={Subjects} />
              <Route path="/subjects/reviews" component={Reviews} />
              <Route path="/subjects/:id" component={SubjectPage} />
              <Route path="/app" component={Apps} />
              <Route path="/app/subject-of/:which" component={SubjectOf} />
              <Route path="/app/:id" component={AppPage} />
              <Route path="/plans" component={PlanLibrary} />
              <Route path="/plans/drafts/:id" component={PlanDraft} />
              <Route path="/plans/decisions" component={PlanDecisions} />
              <Route path="/plans/decisions/:digest" component={PlanDecisions} />
              <Route path="/plans/:digest" component={PlanPage} />
              <Route path="/alarms" component={AlarmsPage} />
              <Route path="/duty" component={DutyPage} />
              <Route path="/handover" component={HandoverPage} />
              <Route path="/handover/notes" component={Notes} />
              <Route path="/handover/notes/:id" component={NotePage} />
              <Route path="/inbox" component={InboxPage} />
              <Route path="/detectors" component={Detectors} />
              <Route path="/detectors/:id" component={DetectorPage} />
              <Route path="/people" component={People} />
              <Route path="/me" component={MePage} />
              <Route path="/audit" component={AuditPage} />
              <Route path="/jobs" component={JobsPage} />
              <Route path="/jobs/:id" component={JobPage} />
              <Route path="/outbox" component={Outbox} />
              <Route path="/department/:code" component={HomePage} />
              <Route path="/">
                <Redirect to={home(session)} replace />
              </Route>
              <Route>
                <div className="page">
                  <Panel>
                    <Empty title={t("state.missing")}>
                      {t("state.missingRemedy")}
                      <Link href="/">{t("state.home")}</Link>
                    </Empty>
                  </Panel>
                </div>
              </Route>
            </Switch>
          </Suspense>
        </PageFence>
      </Shell>
    </LiveProvider>
  );
}

/** A fault in one page leaves the others; what did not come because the city was away comes when it is back. */
function PageFence({ children }: { children: ReactNode }) {
  const [location] = useLocation();
  return (
    <Fence resetKey={location} returns={useReturns()}>
      {children}
    </Fence>
  );
}
