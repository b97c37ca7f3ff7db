/** What is said of the whole plan: its titles, where it comes from, which alerts it answers, how long it is valid. */

import { ActionIcon, Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import type { Level, Text } from "../api/types";
import { useKindTitle } from "../knowledge/kinds";
import { DateField } from "../ui/DateField";
import { CloseIcon } from "../ui/icons";
import { SeverityMark } from "../ui/Severity";
import { BothLanguages, Group } from "./parts";
import type { Plain, PlanBody } from "./types";
import { usePlanWords } from "./words";

export type PlanHead = Omit<PlanBody, "steps">;

const LEVELS = ["red", "orange", "yellow", "blue"] as const;
const KINDS = ["yesno", "number", "text", "list"] as const;

export function PlanForm({
  plan,
  change,
  kinds,
  disabled = false,
}: {
  plan: PlanHead;
  change: (change: Partial<PlanHead>) => void;
  /** Kinds of alerts that plans are known for. */
  kinds: readonly string[];
  disabled?: boolean;
}) {
  const { t, p } = usePlanWords();
  const title = useKindTitle();
  const applies = plan.for ?? null;
  return (
    <div className="stack">
      <BothLanguages
        label={p("plan.title")}
        required
        disabled={disabled}
        testid="plan-title"
        value={plan.title}
        change={(title) => change({ title })}
      />
      <div className="both">
        <TextInput
          label={p("plan.name")}
          description={p("plan.nameHint")}
          required
          disabled={disabled}
          data-testid="plan-name"
          value={plan.plan}
          onChange={(event) => change({ plan: event.currentTarget.value.toLowerCase().replace(/[^a-z0-9-]/g, "-") })}
        />
        <TextInput
          label={p("plan.version")}
          description={p("plan.versionHint")}
          required
          disabled={disabled}
          data-testid="plan-version"
          value={plan.version}
          onChange={(event) => change({ version: event.currentTarget.value })}
        />
      </div>
      <BothLanguages
        label={p("plan.source")}
        disabled={disabled}
        value={plan.source}
        change={(source) => change({ source: source["zh-CN"] === "" && source.en === "" ? null : source })}
      />
      <Group title={p("plan.for")} hint={p("plan.forHint")}>
        <TextInput
          label={p("plan.kind")}
          list="plan-kinds"
          disabled={disabled}
          value={applies?.kind ?? ""}
          onChange={({ currentTarget: { value } }) =>
            change({ for: value === "" ? null : { kind: value, levels: applies?.levels ?? [1, 2] } })
          }
        />
        <datalist id="plan-kinds">
          {kinds.map((kind) => (
            <option key={kind} value={kind} label={title(kind)} />
          ))}
        </datalist>
        {applies !== null && (
          <div className="line">
            {LEVELS.map((name, index) => {
              const level = (index + 1) as Level;
              return (
                <Checkbox
                  key={name}
                  disabled={disabled}
                  label={
                    <span className="line" style={{ gap: 4 }}>
                      <SeverityMark level={level} size={14} />
                      {t(`severity.${name}`)}
                    </span>
                  }
                  checked={applies.levels.includes(level)}
                  onChange={({ currentTarget: { checked } }) => {
                    const levels = checked
                      ? [...applies.levels, level].sort()
                      : applies.levels.filter((one) => one !== level);
                    change({ for: levels.length === 0 ? null : { ...applies, levels } });
                  }}
                />
              );
            })}
          </div>
        )}
      </Group>
      <div className="both">
        <DateField
          label={p("plan.validFrom")}
          disabled={disabled}
          value={plan.valid_from ?? ""}
          change={(value) => change({ valid_from: value || null })}
        />
        <DateField
          label={p("plan.validUntil")}
          description={p("plan.validUntilHint")}
          disabled={disabled}
          value={plan.valid_until ?? ""}
          change={(value) => change({ valid_until: value || null })}
        />
      </div>
      <Parameters
        value={plan.parameters ?? {}}
        titles={plan.titles ?? {}}
        change={(parameters, titles) => change({ parameters, titles })}
        disabled={disabled}
      />
    </div>
  );
}

type Kind = (typeof KINDS)[number];
const kindOf = (value: Plain | Plain[]): Kind =>
  Array.isArray(value) ? "list" : typeof value === "boolean" ? "yesno" : typeof value === "number" ? "number" : "text";

function Parameters({
  value,
  titles,
  change: save,
  disabled,
}: {
  value: Record<string, Plain | Plain[]>;
  titles: Record<string, Text>;
  change: (value: Record<string, Plain | Plain[]>, titles: Record<string, Text>) => void;
  disabled: boolean;
}) {
  const { t, p } = usePlanWords();
  const entries = Object.entries(value);
  const change = (next: Record<string, Plain | Plain[]>, called = titles) =>
    save(next, Object.fromEntries(Object.entries(called).filter(([name]) => name in next)));
  const put = (at: number, name: string, next: Plain | Plain[]) => {
    const was = entries[at]?.[0] ?? name;
    const title = titles[was];
    change(
      Object.fromEntries(entries.map((entry, index) => (index === at ? [name, next] : entry))),
      title === undefined || was === name ? titles : { ...titles, [name]: title },
    );
  };
  return (
    <Group title={p("plan.parameters")} hint={p("plan.parametersHint")}>
      {entries.map(([name, now], at) => {
        const kind = kindOf(now);
        return (
          <div key={at} className="rung">
            <TextInput
              label={p("parameter.name")}
              disabled={disabled}
              defaultValue={name}
              onBlur={({ currentTarget: { value: typed } }) => {
                const next = typed
                  .trim()
                  .replace(/[^A-Za-z0-9_]/g, "_")
                  .replace(/^(\d)/, "_$1");
                if (next !== "" && !entries.some(([other], index) => other === next && index !== at))
                  put(at, next, now);
              }}
            />
            <NativeSelect
              label={p("form.kind")}
              disabled={disabled}
              data={KINDS.map((one) => ({ value: one, label: p(`parameter.${one}`) }))}
              value={kind}
              onChange={({ currentTarget: { value: next } }) =>
                put(at, name, next === "yesno" ? true : next === "number" ? 1 : next === "list" ? ["1"] : "")
              }
            />
            {kind === "yesno" ? (
              <NativeSelect
                label={p("parameter.value")}
                disabled={disabled}
                data={[
                  { value: "true", label: t("yes") },
                  { value: "false", label: t("no") },
                ]}
                value={String(now)}
                onChange={({ currentTarget: { value: next } }) => put(at, name, next === "true")}
              />
            ) : (
              <TextInput
                key={kind}
                label={p("parameter.value")}
                disabled={disabled}
                defaultValue={Array.isArray(now) ? now.join("，") : String(now)}
                onBlur={({ currentTarget: { value: typed } }) =>
                  put(
                    at,
                    name,
                    kind === "list"
                      ? typed
                          .split(/[,，、]/)
                          .map((one) => one.trim())
                          .filter(Boolean)
                      : kind === "number"
                        ? Number(typed) || 0
                        : typed,
                  )
                }
              />
            )}
            <BothLanguages
              label={p("parameter.title")}
              disabled={disabled}
              value={titles[name] ?? null}
              change={(title) =>
                change(
                  value,
                  title["zh-CN"] === "" && title.en === ""
                    ? Object.fromEntries(Object.entries(titles).filter(([other]) => other !== name))
                    : { ...titles, [name]: title },
                )
              }
            />
            {!disabled && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={p("parameter.remove")}
                onClick={() => change(Object.fromEntries(entries.filter((_, index) => index !== at)))}
              >
                <CloseIcon />
              </ActionIcon>
            )}
          </div>
        );
      })}
      {!disabled && (
        <Button
          variant="default"
          size="xs"
          onClick={() => {
            let number = entries.length + 1;
            while (value[`option_${number}`] !== undefined) number += 1;
            change({ ...value, [`option_${number}`]: true });
          }}
        >
          {p("parameter.add")}
        </Button>
      )}
    </Group>
  );
}
