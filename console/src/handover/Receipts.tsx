/** Everything that was handed in for an incident, newest first: whose, for which task, words, form, photos, place. */

import type { IncidentDetail, Receipt, Task } from "../api/types";
import { formAsked, shownPairs } from "../field/form";
import { PlaceWords } from "../field/Receiving";
import { useFieldWords } from "../field/words";
import { cityTime } from "../time/format";
import { Empty, Panel } from "../ui/states";
import { Moment, useZone } from "../ui/Time";
import { isPhoto, Photos, photoPath } from "./Photos";

export const receiptsOf = (incident: IncidentDetail): { task: Task; receipt: Receipt }[] =>
  incident.runs
    .flatMap(({ tasks }) => tasks)
    .flatMap((task) => task.receipts.map((receipt) => ({ task, receipt })))
    .sort((a, b) => b.receipt.at.localeCompare(a.receipt.at));

export function Receipts({ incident, select }: { incident: IncidentDetail; select: (task: string) => void }) {
  const { t, say } = useFieldWords();
  const receipts = receiptsOf(incident);
  return (
    <Panel title={t("receipts.title")} aside={<span className="quiet numeric">{receipts.length}</span>}>
      {receipts.length === 0 ? (
        <Empty title={t("receipts.empty")} />
      ) : (
        <ul className="body receipts" data-testid="incident-receipts">
          {receipts.map(({ task, receipt }) => (
            <li key={receipt.id}>
              <div className="line">
                <button type="button" className="link" onClick={() => select(task.id)}>
                  {say(task.title)}
                </button>
                <span>{say(task.unit_title)}</span>
                <span className="quiet">
                  {say(receipt.by.name)} · <Moment at={receipt.at} ago />
                </span>
              </div>
              <ReceiptBody task={task} receipt={receipt} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

export function ReceiptBody({
  task,
  receipt,
  onPaper = false,
}: {
  task: Task;
  receipt: Receipt;
  /** Where nothing can be pressed. */
  onPaper?: boolean;
}) {
  const { f, say, language } = useFieldWords();
  const zone = useZone();
  const pairs = receipt.form ? shownPairs(formAsked(task.evidence), receipt.form, language) : [];
  const caption = `${say(task.unit_title)} · ${say(task.title)} · ${cityTime(receipt.at, zone)}`;
  const photos = receipt.files
    .filter(({ media }) => isPhoto(media))
    .map(({ name, sha256 }) => ({ name, path: photoPath(task.id, sha256), caption }));
  const others = receipt.files.filter(({ media }) => !isPhoto(media));
  return (
    <div className="stack" style={{ gap: 4 }}>
      {receipt.note && <p className="note-words">{receipt.note}</p>}
      {receipt.place && (
        <span>
          <span className="quiet">{f("receipt.place")}</span> <PlaceWords place={receipt.place} />
        </span>
      )}
      {pairs.length > 0 && (
        <dl className="pairs">
          {pairs.map(({ name, title, value }) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{say(title)}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {onPaper ? (
        photos.map(({ path, name }) => <img key={path} className="receipt-photo" src={path} alt={name} />)
      ) : (
        <Photos photos={photos} />
      )}
      {!onPaper &&
        others.map(({ name, sha256 }) => (
          <a key={sha256} href={photoPath(task.id, sha256)}>
            {name}
          </a>
        ))}
    </div>
  );
}
