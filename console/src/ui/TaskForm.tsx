/** The form of a receipt, drawn from its JSON Schema; what is wrong stands beside its field. */

import { Button, Checkbox, NativeSelect, NumberInput, Textarea, TextInput } from "@mantine/core";
import { type Field, fieldsOf, type Mistake, type Schema, typeOf, type Values } from "../field/form";
import { useWords } from "../i18n";
import { DateField } from "./DateField";

interface Props {
  schema: Schema;
  values: Values;
  change: (values: Values) => void;
  mistakes: readonly Mistake[];
  /** Where in the whole form this part stands. */
  path?: string;
}

export function TaskForm({ schema, values, change, mistakes, path = "" }: Props) {
  return (
    <>
      {fieldsOf(schema).map((field) => (
        <FormField
          key={field.name}
          field={field}
          path={path === "" ? field.name : `${path}/${field.name}`}
          value={values[field.name]}
          change={(value) => change({ ...values, [field.name]: value })}
          mistakes={mistakes}
        />
      ))}
    </>
  );
}

interface FieldProps {
  field: Field;
  path: string;
  value: unknown;
  change: (value: unknown) => void;
  mistakes: readonly Mistake[];
}

function FormField({ field, path, value, change, mistakes }: FieldProps) {
  const { t, say, language } = useWords();
  const { schema } = field;
  const error = mistakes.find((one) => one.field === path)?.message[language];
  const common = {
    size: "md" as const,
    label: say(field.title),
    description: field.description === null ? undefined : say(field.description),
    withAsterisk: field.required,
    error,
    "data-testid": `form-${path}`,
  };
  const kind = typeOf(schema);
  if (Array.isArray(schema.enum)) {
    const choices = schema.enum as unknown[];
    return (
      <NativeSelect
        {...common}
        data={[
          { value: "", label: "—" },
          ...choices.map((one, index) => ({ value: String(index + 1), label: String(one) })),
        ]}
        value={String(choices.findIndex((one) => JSON.stringify(one) === JSON.stringify(value)) + 1 || "")}
        onChange={({ currentTarget }) => change(choices[Number(currentTarget.value) - 1])}
      />
    );
  }
  if (kind === "boolean")
    return (
      <NativeSelect
        {...common}
        data={[
          { value: "", label: "—" },
          { value: "true", label: t("yes") },
          { value: "false", label: t("no") },
        ]}
        value={typeof value === "boolean" ? String(value) : ""}
        onChange={({ currentTarget }) =>
          change(currentTarget.value === "" ? undefined : currentTarget.value === "true")
        }
      />
    );
  if (kind === "integer" || kind === "number")
    return (
      <NumberInput
        {...common}
        inputMode={kind === "integer" ? "numeric" : "decimal"}
        allowDecimal={kind === "number"}
        hideControls
        value={typeof value === "number" || typeof value === "string" ? value : ""}
        onChange={(given) => change(given === "" ? undefined : typeof given === "string" ? Number(given) : given)}
      />
    );
  if (kind === "object")
    return (
      <fieldset className="stack form-group">
        <legend>{say(field.title)}</legend>
        <TaskForm schema={schema} values={(value ?? {}) as Values} change={change} mistakes={mistakes} path={path} />
      </fieldset>
    );
  if (kind === "array") return <Items field={field} path={path} value={value} change={change} mistakes={mistakes} />;
  const format = schema.format;
  if (format === "email" || format === "uri")
    return (
      <TextInput
        {...common}
        type={format === "uri" ? "url" : format}
        value={typeof value === "string" ? value : ""}
        onChange={({ currentTarget }) => change(currentTarget.value)}
      />
    );
  if (format === "date" || format === "time")
    return (
      <DateField
        {...common}
        kind={format}
        value={typeof value === "string" ? value.slice(0, format === "time" ? 5 : 10) : ""}
        change={(said) => change(format === "time" && said !== "" ? `${said}:00Z` : said)}
      />
    );
  if (format === "date-time")
    return (
      <DateField
        {...common}
        kind="datetime-local"
        value={typeof value === "string" ? local(value) : ""}
        change={(said) => change(said === "" ? undefined : new Date(said).toISOString())}
      />
    );
  const long = typeof schema.maxLength !== "number" || schema.maxLength > 80;
  const text = typeof value === "string" ? value : "";
  return long ? (
    <Textarea {...common} autosize minRows={2} value={text} onChange={(event) => change(event.currentTarget.value)} />
  ) : (
    <TextInput {...common} value={text} onChange={(event) => change(event.currentTarget.value)} />
  );
}

/** A moment as the phone's own clock shows it, for an input that knows no zones. */
function local(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** A list: boxes to tick where the items are known, else one line for each. */
function Items({ field, path, value, change, mistakes }: FieldProps) {
  const { t, say, language } = useWords();
  const part = (typeof field.schema.items === "object" ? field.schema.items : {}) as Schema;
  const items = Array.isArray(value) ? (value as unknown[]) : [];
  const error = mistakes.find((one) => one.field === path)?.message[language];
  const choices = Array.isArray(part.enum) ? (part.enum as unknown[]) : null;
  return (
    <fieldset className="stack form-group" data-testid={`form-${path}`}>
      <legend>
        {say(field.title)}
        {field.required && <span aria-hidden="true"> *</span>}
      </legend>
      {field.description !== null && <span className="quiet">{say(field.description)}</span>}
      {choices !== null
        ? choices.map((one) => (
            <Checkbox
              key={String(one)}
              size="md"
              label={String(one)}
              checked={items.includes(one)}
              onChange={({ currentTarget }) =>
                change(
                  currentTarget.checked
                    ? choices.filter((each) => each === one || items.includes(each))
                    : items.filter((each) => each !== one),
                )
              }
            />
          ))
        : items.map((one, index) => (
            <div key={index} className="line form-item">
              <div style={{ flex: 1 }}>
                <FormField
                  field={{
                    name: String(index),
                    schema: { maxLength: 80, ...part },
                    required: false,
                    title: `${say(field.title)} ${index + 1}`,
                    description: null,
                  }}
                  path={`${path}/${index}`}
                  value={one}
                  change={(given) => change(items.map((each, at) => (at === index ? given : each)))}
                  mistakes={mistakes}
                />
              </div>
              <Button
                size="md"
                variant="default"
                aria-label={`${t("form.remove")} ${say(field.title)} ${index + 1}`}
                onClick={() => change(items.filter((_, at) => at !== index))}
              >
                {t("form.remove")}
              </Button>
            </div>
          ))}
      {choices === null && (
        <Button
          size="md"
          variant="default"
          data-testid={`form-${path}-add`}
          onClick={() =>
            change([...items, typeOf(part) === "object" ? {} : typeOf(part) === "string" ? "" : undefined])
          }
        >
          {t("form.add")}
        </Button>
      )}
      {error !== undefined && (
        <span className="late" role="alert">
          {error}
        </span>
      )}
    </fieldset>
  );
}
