"""Where a report belongs, and which department is proposed: the pure rules applied to what the store holds.

Everything happens in the caller's transaction and under one lock, one report after the other, so that a thousand reports
in one file end in the same matters as the same reports one by one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from cityheart.command.intake import merging, store
from cityheart.command.intake.merging import Merging, Sketch, Verdict
from cityheart.command.intake.models import Candidate, Given, Joined, Matter, Proposal, Report
from cityheart.command.intake.routing import Known, Routing, Words
from cityheart.command.intake.rules import Rules
from cityheart.kernel import limits
from cityheart.kernel.database import Work
from cityheart.kernel.ids import derive
from cityheart.kernel.text import Text, text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Placing", "Triage", "title_of"]

Triage = Callable[[str, Mapping[str, object], datetime], tuple[str, Mapping[str, object]] | None]
"""Asks the decision table of a name, in force at a moment: its digest and outputs, ``None`` where there is none."""

_NO_PROPOSAL = Proposal(None, ())
_FOUNDED = (text("首个反映此事的诉求", "the first report of it"),)


class Placing:
    """Places reports by the rules of one city and what was learned there."""

    def __init__(self, rules: Rules, units: Callable[[], Collection[str]], triage: Triage | None) -> None:
        self.rules = rules
        self._units = units
        self._triage = triage
        self._sketches: OrderedDict[tuple[str, int], Sketch] = OrderedDict()
        self.learn(Known())

    def learn(self, known: Known) -> None:
        """Go on with what is known now."""
        self.routing = Routing(self.rules, known)
        self.merging = Merging(self.rules, self.routing)
        self._sketches.clear()

    def take(self, work: Work, given: Given) -> tuple[Report, str]:
        """Take in one report: ``(report, "new" | "same" | "revised")``. The caller holds the lock of the store."""
        id = derive("report", given.source, given.external)
        before = store.find_report(work.conn, id)
        if before is not None:
            return self._again(work, before, given)
        sketch = self.merging.sketch(id, given)
        self._keep(id, 1, sketch)
        found = self._best(work, sketch, exclude=())
        if found is None or found[1].score < self.rules.weights.threshold:
            return self._found(work, id, given, sketch, None if found is None else found[1]), "new"
        return self._join(work, id, given, sketch, *found), "new"

    def propose(self, work: Work, matter: Matter) -> Matter:
        """The matter with the department proposed that its representatives' words, kind and place speak for."""
        if matter.state != "open":
            return matter
        reports = store.representatives(work.conn, [matter.id]).get(matter.id, [])
        likely: dict[tuple[str, str], float] = {}
        for report in reports:
            words = Words.of(report.given.text)
            for of, share in self.routing.likely(words, report.given.service).items():
                likely[of] = likely.get(of, 0.0) + share / len(reports)
        services = self.routing.services(likely)
        service = max(services, key=lambda code: (services[code], code), default="other")
        if services.get(service, 0.0) < 0.3:
            service = next((each.given.service for each in reports if each.given.service), None) or "other"
        said = " ".join(f"{report.given.address} {report.given.text}" for report in reports)
        candidates = self.routing.candidates(likely, said, matter.lon, matter.lat, self._units())
        sure = bool(candidates) and candidates[0].score >= self.rules.weights.abstain
        proposal = Proposal(candidates[0].unit if sure else None, candidates)
        matter = replace(matter, service=service)
        return replace(matter, proposal=self._decided(matter, said, proposal, work.now))

    def similar(self, conn: Connection, matter: Matter) -> list[tuple[str, Verdict]]:
        """Other open matters that are somewhat like this one, likest first; none that a person held apart."""
        speaking = store.representatives(conn, [matter.id]).get(matter.id, [])
        if not speaking:
            return []
        founder = self.sketch(speaking[0])
        apart = store.are_apart(conn, matter.id) | {matter.id}
        found = self._compared(conn, founder, apart)
        return [(id, verdict) for id, verdict in found if verdict.score >= 0.1][:5]

    def sketch(self, report: Report) -> Sketch:
        """What merging looks at of a report, remembered."""
        known = self._sketches.get((report.id, report.version))
        if known is None:
            known = self.merging.sketch(report.id, report.given)
            self._keep(report.id, report.version, known)
        else:
            self._sketches.move_to_end((report.id, report.version))
        return known

    def keys(self, reports: Sequence[Report]) -> list[str]:
        """The marks under which a matter of these representatives is found."""
        return [key for report in reports for key in merging.keys(self.sketch(report), around=False)]

    # ── one report ─────────────────────────────────────────────────────────────────────────────────────────────

    def _again(self, work: Work, before: Report, given: Given) -> tuple[Report, str]:
        given = replace(given, at=before.given.at if given.at == work.now else given.at)
        if given == before.given:
            return before, "same"
        store.revise_report(work.conn, before, given, work.now)
        report = replace(before, given=given, version=before.version + 1, updated_at=work.now)
        work.emit(f"matter:{report.matter}", "report.revised", {
            "report": report.id, "matter": report.matter, "version": report.version, "at": work.now,
        })  # fmt: skip
        matter = store.find_matter(work.conn, report.matter, lock=True)
        assert matter is not None, f"report {report.id} is in no matter"
        speaking = store.representatives(work.conn, [matter.id]).get(matter.id, [])
        if any(each.id == report.id for each in speaking) and matter.state in store.OPEN:
            store.clear_marks(work.conn, matter.id)
            store.mark(work, matter.id, self.keys(speaking))
        if speaking and speaking[0].id == report.id:
            matter = replace(matter, title=title_of(given), address=given.address or matter.address)
        placed = matter if matter.lon is not None else replace(matter, lon=given.lon, lat=given.lat)
        store.save_matter(work.conn, replace(self.propose(work, placed), updated_at=work.now))
        return report, "revised"

    def _found(self, work: Work, id: str, given: Given, sketch: Sketch, nearest: Verdict | None) -> Report:
        now = work.now
        matter = Matter(
            derive("matter", id), "open", given.service or "other", title_of(given), given.address, given.lon, given.lat,
            1, given.at, given.at, now, now, _NO_PROPOSAL,
        )  # fmt: skip
        report = Report(id, given, 1, now, now, matter.id)
        why = Joined(id, matter.id, "system:intake", None if nearest is None else nearest.score, _FOUNDED, now)
        store.put_report(work.conn, report, why, 0)
        store.save_matter(work.conn, matter, new=True)
        store.mark(work, matter.id, merging.keys(sketch, around=False))
        matter = self.propose(work, matter)
        store.save_matter(work.conn, matter)
        work.emit(f"matter:{matter.id}", "matter.opened", {
            "matter": matter.id, "report": id, "service": matter.service, "unit": matter.proposal.unit, "at": now,
        })  # fmt: skip
        return report

    def _join(self, work: Work, id: str, given: Given, sketch: Sketch, found: str, verdict: Verdict) -> Report:
        now = work.now
        matter = store.find_matter(work.conn, found, lock=True)
        assert matter is not None, f"matter {found} is gone"
        speaking = [self.sketch(report) for report in store.representatives(work.conn, [found])[found]]
        speaks = self.merging.represents(sketch, speaking[0], speaking[1:])
        report = Report(id, given, 1, now, now, found)
        why = Joined(id, found, "system:intake", verdict.score, verdict.reasons(), now)
        store.put_report(work.conn, report, why, len(speaking) if speaks else None)
        placed = matter.lon is not None
        matter = replace(
            matter,
            reports=matter.reports + 1,
            first_at=min(matter.first_at, given.at),
            last_at=max(matter.last_at, given.at),
            updated_at=now,
            lon=matter.lon if placed else given.lon,
            lat=matter.lat if placed else given.lat,
            address=matter.address or given.address,
        )
        if speaks:
            store.mark(work, found, merging.keys(sketch, around=False))
        if speaks or not placed:
            matter = self.propose(work, matter)
        store.save_matter(work.conn, matter)
        work.emit(f"matter:{found}", "matter.joined", {
            "matter": found, "report": id, "score": verdict.score, "like": verdict.like, "reports": matter.reports,
            "at": now,
        })  # fmt: skip
        return report

    def _best(self, work: Work, sketch: Sketch, exclude: Collection[str]) -> tuple[str, Verdict] | None:
        found = self._compared(work.conn, sketch, exclude)
        return found[0] if found else None

    def _compared(self, conn: Connection, sketch: Sketch, exclude: Collection[str]) -> list[tuple[str, Verdict]]:
        seconds, _ = self.merging.window(sketch)
        since = sketch.at - timedelta(seconds=1.5 * max(seconds, 86_400.0))
        keys = merging.keys(sketch, around=True)
        ids = [id for id in store.candidates(conn, keys, since, limits.MERGE_CANDIDATES) if id not in exclude]
        speaking = store.representatives(conn, ids) if ids else {}
        verdicts = []
        for id in ids:
            founder, *others = [self.sketch(report) for report in speaking[id]]
            verdicts.append((id, self.merging.compare(sketch, founder, others)))
        return sorted(verdicts, key=lambda one: (-one[1].score, one[0]))

    def _keep(self, id: str, version: int, sketch: Sketch) -> None:
        self._sketches[id, version] = sketch
        if len(self._sketches) > limits.SKETCHES_KEPT:
            self._sketches.popitem(last=False)

    def _decided(self, matter: Matter, said: str, proposal: Proposal, now: datetime) -> Proposal:
        """The proposal after the city's decision table for this kind of matter, where it has one."""
        if self._triage is None:
            return proposal
        inputs: dict[str, object] = {
            "service": matter.service,
            "kind": matter.service,
            "text": said,
            "address": matter.address,
            "reports": matter.reports,
            "unit": proposal.candidates[0].unit if proposal.candidates else None,
            "score": proposal.candidates[0].score if proposal.candidates else 0.0,
            "lon": matter.lon,
            "lat": matter.lat,
        }
        found = self._triage(f"triage.{matter.service}", inputs, now)
        if found is None:
            return proposal
        digest, outputs = found
        unit, level, plan = outputs.get("unit"), outputs.get("level"), outputs.get("plan")
        level = int(cast("float", level)) if isinstance(level, (int, float)) and 1 <= level <= 4 else None
        plan = str(plan) if plan else None
        if not isinstance(unit, str) or unit not in self._units():
            return replace(proposal, level=level, plan=plan, rule=digest)
        why: tuple[Text, ...] = (text("由决策表确定", "decided by a decision table"),)
        rest = tuple(each for each in proposal.candidates if each.unit != unit)[:2]
        return Proposal(unit, (Candidate(unit, 1.0, why), *rest), level, plan, digest)


def title_of(given: Given) -> str:
    """The report in one line."""
    line = " ".join(given.text.split())
    return line if len(line) <= limits.MATTER_TITLE_CHARS else line[: limits.MATTER_TITLE_CHARS - 1] + "…"
