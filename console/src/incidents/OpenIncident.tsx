/** An incident that nobody but a person knows of: what happened, how grave it is, and the plan that answers it. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useLocation } from "wouter";
import { get, Problem } from "../api/client";
import { commandShelf, useKept } from "../api/kept";
import { useDepartments } from "../api/queries";
import type { Level } from "../api/types";
import { useCommand } from "../api/useCommand";
import { useKinds } from "../knowledge/kinds";
import type { AdvisedPlan } from "../knowledge/types";
import { useFamilies } from "../plans/queries";
import { StepTable } from "../ui/DispatchSheet";
import { askedBy, type Given, PlanParameters, stepsWith, toSend, unitsOf } from "../ui/PlanParameters";
import { Severity } from "../ui/Severity";
import { Sheet } from "../ui/Sheet";
import { Empty, Failure, Shown } from "../ui/states";
import { useTell } from "../ui/Toast";
import { useOpenWords } from "./words";

type Plan = AdvisedPlan & { kind: string | null; levels: Level[] };

const LEVELS: readonly Level[] = [1, 2, 3, 4];
const BLANK = { what: "", kind: "", level: null as Level | null, plan: "" };
const NOTHING: Given = {};
const SHELF = commandShelf("incidents.open");

/** The plans that a new run may begin with, each with its steps. */
function usePlans() {
  const plans = useQuery({
    queryKey: ["plans", "steps"],
    queryFn: async () => (await get<{ items: Plan[] }>("/api/plans")).items,
  });
  const families = useFamilies();
  const inForce = useMemo(
    () =>
      new Set(
        (families.data ?? []).flatMap(({ versions }) => versions.flatMap((one) => (one.in_force ? one.digest : []))),
      ),
    [families.data],
  );
  const data = useMemo(
    () => (families.data === undefined ? undefined : plans.data?.filter(({ digest }) => inForce.has(digest))),
    [families.data, plans.data, inForce],
  );
  return {
    data,
    error: plans.error ?? families.error,
    isPending: data === undefined,
    refetch: () => Promise.all([plans.refetch(), families.refetch()]),
  };
}

export default function OpenIncident({ close }: { close: () => void }) {
  const { p } = useOpenWords();
  const plans = usePlans();
  return (
    <Sheet title={p("title")} close={close}>
      <Shown of={plans} lines={6}>
        {(known) =>
          known.length === 0 ? (
            <Empty title={p("noPlans")}>{p("noPlansWhy")}</Empty>
          ) : (
            <Form plans={known} close={close} />
          )
        }
      </Shown>
    </Sheet>
  );
}

function Form({ plans, close }: { plans: readonly Plan[]; close: () => void }) {
  const { p, t, say } = useOpenWords();
  const tell = useTell();
  const [, go] = useLocation();
  const kinds = useKinds();
  const departments = useDepartments().data;
  const form = useKept("incidents.open", BLANK);
  const { what, kind, level } = form.value;
  const plan = plans.find(({ digest }) => digest === form.value.plan);
  const chosen = useKept<Given>(`incidents.open.${form.value.plan}`, NOTHING);
  const given = chosen.value;
  const set = (values: Partial<typeof BLANK>) => form.set((before) => ({ ...before, ...values }));
  const suits = (one: Plan) =>
    (kind === "" || one.kind === kind) && one.kind !== null && (level === null || one.levels.includes(level));
  const suited = plans.filter(suits);
  const others = plans.filter((one) => !suits(one));
  const option = (one: Plan) => ({ value: one.digest, label: `${say(one.title)} · v${one.version}` });
  const asked = plan ? askedBy(plan) : [];
  const title = (code: string) => departments?.find((one) => one.code === code)?.title ?? { "zh-CN": code, en: code };
  const steps = plan ? stepsWith(plan.steps, asked, given, title) : [];
  const open = useCommand<{ incident_id: string }>({
    shelf: SHELF,
    done: ({ incident_id }) => {
      form.forget();
      chosen.forget();
      tell.done(t("dispatch.done"));
      close();
      go(`/incidents/${incident_id}`);
    },
  });
  const { error } = open;
  const refused = error instanceof Problem && typeof error.more.parameter === "string" ? error : null;
  const wrong = refused && { name: String(refused.more.parameter), why: refused.detail };
  const ready = what.trim() !== "" && level !== null && plan !== undefined;
  const send = () => {
    if (!ready || open.isPending) return;
    const parameters = toSend(asked, given);
    open.mutate({
      path: "/api/incidents",
      body: {
        plan: plan.digest,
        title: { "zh-CN": what.trim(), en: what.trim() },
        level,
        ...(kind === "" ? {} : { kind }),
        ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
      },
    });
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <p className="quiet" style={{ margin: 0 }}>
        {p("meaning")}
      </p>
      <TextInput
        label={p("what")}
        description={p("whatHint")}
        required
        maxLength={200}
        data-autofocus
        data-testid="open-what"
        value={what}
        onChange={(event) => set({ what: event.currentTarget.value })}
      />
      <NativeSelect
        label={p("kind")}
        data-testid="open-kind"
        data={[{ value: "", label: p("asPlan") }, ...kinds.map((one) => ({ value: one.code, label: say(one.title) }))]}
        value={kind}
        onChange={({ currentTarget: { value } }) => set({ kind: value })}
      />
      <fieldset className="choice">
        <legend>{p("level")}</legend>
        <div className="line">
          {LEVELS.map((one) => (
            <label key={one ?? 0} className="line" data-testid={`open-level-${one}`}>
              <input type="radio" name="level" required checked={level === one} onChange={() => set({ level: one })} />
              <Severity level={one} />
            </label>
          ))}
        </div>
      </fieldset>
      <NativeSelect
        label={p("plan")}
        required
        data-testid="open-plan"
        description={suited.length === 0 ? p("suitedNone") : undefined}
        data={[
          { value: "", label: p("choosePlan") },
          ...(suited.length > 0 ? [{ group: p("suited"), items: suited.map(option) }] : []),
          ...(others.length > 0 ? [{ group: p("others"), items: others.map(option) }] : []),
        ]}
        value={plan?.digest ?? ""}
        onChange={({ currentTarget: { value } }) => {
          set({ plan: value });
        }}
      />
      {plan && (
        <>
          <PlanParameters asked={asked} given={given} change={chosen.set} wrong={wrong} />
          <StepTable steps={steps} />
        </>
      )}
      {error !== null && wrong === null && <Failure error={error} />}
      <div className="line sheet-actions">
        <Button variant="default" onClick={close}>
          {t("cancel")}
        </Button>
        <Button type="submit" data-testid="open-confirm" disabled={!ready} loading={open.isPending}>
          {plan === undefined
            ? p("choosePlan")
            : level === null
              ? p("chooseLevel")
              : t("dispatch.confirm", { units: unitsOf(steps).size })}
        </Button>
      </div>
    </form>
  );
}
