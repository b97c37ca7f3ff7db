/** A file from the device, in words of the page: the browser's own button speaks the browser's language. */

import { useId, useState } from "react";
import { useWords } from "../i18n";

export function FileField({
  label,
  accept,
  chosen,
  test,
}: {
  label: string;
  accept: string;
  chosen: (file: File) => void;
  test?: string;
}) {
  const { t } = useWords();
  const [name, setName] = useState("");
  const id = useId();
  return (
    <div className="file-field">
      <strong id={id}>{label}</strong>
      <label className="line">
        <input
          type="file"
          className="unseen"
          accept={accept}
          aria-labelledby={id}
          data-testid={test}
          onChange={({ currentTarget: { files } }) => {
            const file = files?.[0];
            if (file === undefined) return;
            setName(file.name);
            chosen(file);
          }}
        />
        <span className="file-button">{t("file.choose")}</span>
        <span className="quiet" role="status">
          {name || t("file.none")}
        </span>
      </label>
    </div>
  );
}
