/** What a receipt holds and how it is gathered: a note, photos, a place, a form. The desk and the phone share it. */

import { Button } from "@mantine/core";
import { useState } from "react";
import type { EvidenceAsked, GroundPlace } from "../api/types";
import { filled, formAsked, mistakes as formMistakes, type Mistake, type Values } from "./form";
import { type FieldKey, useFieldWords } from "./words";

export const atLeast = (evidence: readonly EvidenceAsked[], kind: EvidenceAsked["kind"]): number =>
  evidence.find((one) => one.kind === kind)?.min ?? 0;

export interface Given {
  note: string;
  form: Values;
  place: GroundPlace | null;
  photos: number;
}

export interface Lacks {
  note: boolean;
  photos: boolean;
  place: boolean;
  fields: Mistake[];
  count: number;
}

/** What is missing or wrong before it may be submitted. */
export function lacking(evidence: readonly EvidenceAsked[], given: Given): Lacks {
  const schema = formAsked(evidence);
  const form = filled(given.form);
  const asked = atLeast(evidence, "form") > 0 || Object.keys(form).length > 0;
  const fields = schema !== null && asked ? formMistakes(schema, form) : [];
  const note = atLeast(evidence, "note") > 0 && given.note.trim() === "";
  const photos = given.photos < atLeast(evidence, "photo");
  const place = atLeast(evidence, "place") > 0 && given.place === null;
  return { note, photos, place, fields, count: fields.length + Number(note) + Number(photos) + Number(place) };
}

/** Nothing further off than this is a place (the city refuses it too). */
const VAGUE_METRES = 100_000;

export function PlaceField({
  place,
  change,
  needed,
  wrong,
}: {
  place: GroundPlace | null;
  change: (place: GroundPlace | null) => void;
  needed: boolean;
  wrong: boolean;
}) {
  const { f } = useFieldWords();
  const [state, setState] = useState<"idle" | "working" | FieldKey>("idle");
  const locate = () => {
    if (!("geolocation" in navigator) || !window.isSecureContext) return setState("submit.placeInsecure");
    setState("working");
    navigator.geolocation.getCurrentPosition(
      ({ coords: { longitude, latitude, accuracy } }) => {
        if (accuracy > VAGUE_METRES) return setState("submit.placeVague");
        const round = (value: number, by: number) => Math.round(value * by) / by;
        change({ lon: round(longitude, 1e6), lat: round(latitude, 1e6), accuracy: round(accuracy, 10) });
        setState("idle");
      },
      ({ code }) => setState(code === 1 ? "submit.placeDenied" : "submit.placeFailed"),
      { enableHighAccuracy: true, timeout: 30_000, maximumAge: 60_000 },
    );
  };
  return (
    <div className="stack" data-testid="place">
      <strong>
        {f("submit.place")}
        {needed && <span aria-hidden="true"> *</span>}
      </strong>
      {place !== null && (
        <span data-testid="place-shown">
          <PlaceWords place={place} />
        </span>
      )}
      <div className="line">
        <Button size="md" variant="default" loading={state === "working"} onClick={locate} data-testid="place-take">
          {f(place === null ? "submit.placeTake" : "submit.placeAgain")}
        </Button>
        {place !== null && (
          <Button size="md" variant="subtle" onClick={() => change(null)}>
            {f("submit.placeForget")}
          </Button>
        )}
      </div>
      <span className="quiet">{f("submit.placeWhy")}</span>
      {state !== "idle" && state !== "working" && (
        <span className="late" role="alert">
          {f(state)}
        </span>
      )}
      {wrong && place === null && <span className="late">{f("submit.placeNeeded")}</span>}
    </div>
  );
}

export function PlaceWords({ place }: { place: GroundPlace }) {
  const { f } = useFieldWords();
  const { lon, lat, accuracy } = place;
  return <>{f("place.shown", { lat: lat.toFixed(5), lon: lon.toFixed(5), accuracy: Math.ceil(accuracy) })}</>;
}
