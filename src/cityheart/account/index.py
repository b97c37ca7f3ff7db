"""What is needed to count any period fast: the moments of all frozen tasks sorted, their custody as running sums.

A period is then two searches and one count over the tasks inside it; charged time is the difference of two running
sums. Tasks about which something was fed since, or whose story reaches over the end of the period, are taken out of the
sums and counted from their events (:func:`tally`), so the figures are those of the whole log, to the microsecond.

Running sums of microseconds overflow 64 bits for millions of tasks, harmlessly: sums wrap round, and so do the
differences, and those are small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cityheart.account.ledger import I64, NEVER, Facts, Ledger, Log
from cityheart.account.rates import CLOCKS, IN_TIME, LINKED, MASKS, UPHELD, Clocks, Tally, clocks, corrected, members

__all__ = ["Index", "around", "behind", "effects_by_rate", "tally"]

_SUMS = ("begins", "moments", "sums")
_BLOCK = 1_000_000  # tasks looked at together when an index is made: bounds the memory


@dataclass(frozen=True, slots=True)
class Cells:
    """For each of some tasks the cell of a :class:`Tally` in which it counts."""

    masks: NDArray[np.int32]  # department × MASKS + mask
    pairs: NDArray[np.int32]  # pair × 2 + whether in time
    senders: NDArray[np.int32]  # (person + 1) × 2 + whether the return was upheld
    worked: I64

    @classmethod
    def of(cls, log: Log, tasks: I64, mask: I64, worked: I64) -> Cells:
        """Those of ``tasks`` (codes) with these masks."""
        return cls(
            log.of("unit", tasks) * np.int32(MASKS) + mask.astype(np.int32),
            log.of("pair", tasks) * np.int32(2) + ((mask & IN_TIME) != 0),
            (log.of("sender", tasks) + np.int32(1)) * np.int32(2) + ((mask & UPHELD) != 0),
            worked,
        )

    def take(self, rows: slice | NDArray[np.bool_]) -> Cells:
        """Those of some rows."""
        return Cells(self.masks[rows], self.pairs[rows], self.senders[rows], self.worked[rows])


@dataclass(frozen=True, slots=True)
class Index:
    """The frozen tasks of a log, ready to be counted."""

    clocks: Clocks
    opened: I64
    last: I64
    worked: I64  # microseconds from dispatch to submission, 0 while not submitted
    order: Mapping[str, NDArray[np.int32]]  # clock -> tasks by its moment, those that count
    sorted: Mapping[str, I64]  # clock -> the moments in that order
    cells: Mapping[str, Cells]  # clock -> what is counted, in that order
    starts: tuple[I64, I64, I64]  # where each holder's charged stretches begin, their starts, running sums
    ends: tuple[I64, I64, I64]

    @property
    def tasks(self) -> int:
        """How many tasks are in it."""
        return len(self.opened)

    @classmethod
    def of(cls, log: Log) -> Index:
        """The index of what is frozen in ``log``."""
        parts = [_block(log, tasks) for tasks in _blocks(log.frozen.tasks)]
        facts = [facts for facts, _, _ in parts]
        found = _joined([clocks for _, clocks, _ in parts])
        worked = _concat([_worked(each) for each in facts])
        order, moments, cells = {}, {}, {}
        for clock in CLOCKS:
            moment = found.moments[clock]
            counted = np.flatnonzero(moment != NEVER)
            chosen = counted[np.argsort(moment[counted], kind="stable")]
            order[clock], moments[clock] = chosen.astype(np.int32), moment[chosen]
            cells[clock] = Cells.of(log, chosen, found.mask[chosen], worked[chosen])
        holder, start, end = (_concat([pieces[column] for _, _, pieces in parts]) for column in range(3))
        names = len(log.names)
        over = end != NEVER
        return cls(
            found, _concat([each.opened for each in facts]), _concat([each.last for each in facts]),
            worked, order, moments, cells,
            _running(holder, start, names), _running(holder[over], end[over], names),
        )  # fmt: skip

    def columns(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays by name, for :meth:`restored`."""
        found: dict[str, NDArray[Any]] = {
            "mask": self.clocks.mask, "opened": self.opened, "last": self.last, "worked": self.worked
        }  # fmt: skip
        for clock in CLOCKS:
            cells = self.cells[clock]
            found |= {
                f"{clock}-moment": self.clocks.moments[clock], f"{clock}-order": self.order[clock],
                f"{clock}-sorted": self.sorted[clock], f"{clock}-masks": cells.masks, f"{clock}-pairs": cells.pairs,
                f"{clock}-senders": cells.senders, f"{clock}-worked": cells.worked,
            }  # fmt: skip
        for name, sums in (("starts", self.starts), ("ends", self.ends)):
            found |= {f"{name}-{part}": column for part, column in zip(_SUMS, sums, strict=True)}
        return found

    @classmethod
    def restored(cls, columns: Mapping[str, NDArray[Any]]) -> Index:
        """The index whose :meth:`columns` these are. Raises :class:`KeyError` when one is missing."""

        def sums(name: str) -> tuple[I64, I64, I64]:
            begins, moments, running = (columns[f"{name}-{part}"] for part in _SUMS)
            return begins, moments, running

        def cells(clock: str) -> Cells:
            masks, pairs, senders, worked = (
                columns[f"{clock}-{part}"] for part in ("masks", "pairs", "senders", "worked")
            )
            return Cells(masks, pairs, senders, worked)

        return cls(
            clocks=Clocks({clock: columns[f"{clock}-moment"] for clock in CLOCKS}, columns["mask"]),
            opened=columns["opened"],
            last=columns["last"],
            worked=columns["worked"],
            order={clock: columns[f"{clock}-order"] for clock in CLOCKS},
            sorted={clock: columns[f"{clock}-sorted"] for clock in CLOCKS},
            cells={clock: cells(clock) for clock in CLOCKS},
            starts=sums("starts"),
            ends=sums("ends"),
        )

    def charged(self, since: int, until: int, names: int) -> I64:
        """Charged microseconds by holder within a period; a stretch without an end goes on."""
        found = np.zeros(names, dtype=np.int64)
        spent = _spent(self.starts, self.ends, until) - _spent(self.starts, self.ends, since)
        found[: len(spent)] = spent
        return found


def _blocks(tasks: int) -> Iterator[I64]:
    for begin in range(0, max(tasks, 1), _BLOCK):
        yield np.arange(begin, min(tasks, begin + _BLOCK))


def _block(log: Log, tasks: I64) -> tuple[Facts, Clocks, tuple[I64, I64, I64]]:
    ledger = log.ledger(tasks, tail=False)
    facts = ledger.facts()
    return facts, _clocks(log, ledger, facts), _charges(ledger)


def _clocks(log: Log, ledger: Ledger, facts: Facts) -> Clocks:
    urgent = np.array(log.urgent, dtype=bool)[log.of("run", ledger.codes)] if ledger.tasks else ledger.codes == -1
    return clocks(facts, urgent, log.of("fails", ledger.codes).astype(np.int64))


def _charges(ledger: Ledger) -> tuple[I64, I64, I64]:
    pieces = ledger.pieces(NEVER)
    held = pieces.charged
    return pieces.holder[held], pieces.start[held], pieces.end[held]


def _worked(facts: Facts) -> I64:
    done = (facts.submitted != NEVER) & (facts.dispatched != NEVER)
    return np.where(done, facts.submitted - np.where(done, facts.dispatched, 0), 0)


def _joined(parts: list[Clocks]) -> Clocks:
    moments = {clock: _concat([part.moments[clock] for part in parts]) for clock in CLOCKS}
    return Clocks(moments, _concat([part.mask for part in parts]))


def _concat(parts: list[I64]) -> I64:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _running(holder: I64, moment: I64, names: int) -> tuple[I64, I64, I64]:
    order = np.lexsort((moment, holder))
    moment = moment[order]
    begins = np.searchsorted(holder[order], np.arange(names + 1))
    return begins, moment, np.concatenate([[0], np.cumsum(moment)])


def _spent(starts: tuple[I64, I64, I64], ends: tuple[I64, I64, I64], moment: int) -> I64:
    """By holder: Σ (moment − start) over stretches begun before, less Σ (moment − end) over those ended before."""
    total = []
    for begins, moments, sums in (starts, ends):
        upto = np.array(
            [a + np.searchsorted(moments[a:b], moment) for a, b in pairwise(begins.tolist())],
            dtype=np.int64,
        )
        with np.errstate(over="ignore"):
            total.append((upto - begins[:-1]) * np.int64(moment) - (sums[upto] - sums[begins[:-1]]))
    with np.errstate(over="ignore"):
        return total[0] - total[1]


# ── counting ───────────────────────────────────────────────────────────────────────────────────────────────────


def tally(log: Log, index: Index, since: int, until: int, known: int = NEVER) -> Tally:
    """Count ``[since, until)`` from what was known before ``until``, with appeals decided before ``known``."""
    names, pairs = len(log.names), len(log.pairs)
    found = Tally.empty(names, pairs, len(log.people) + 1)
    for clock in CLOCKS:
        low, high = np.searchsorted(index.sorted[clock], [since, until])
        _add(found, clock, index.cells[clock].take(slice(low, high)), 1)
    found.charged += index.charged(since, until, names)
    loose = _loose(log, index, until)
    frozen = loose[loose < index.tasks]
    _count(found, log, index.clocks.take(frozen), index.worked[frozen], frozen, (since, until), -1)
    was, now = log.ledger(frozen, tail=False), log.ledger(loose).until(until)
    facts = now.facts()
    fresh = _clocks(log, now, facts)
    _count(found, log, fresh, _worked(facts), loose, (since, until), 1)
    for ledger, sign in ((was, -1), (now, 1)):
        holder, start, end = _charges(ledger)
        inside = np.clip(end, since, until) - np.clip(start, since, until)
        np.add.at(found.charged, holder, sign * inside)
    _correct(found, log, fresh, loose, (since, until), known)
    return found


def _count(found: Tally, log: Log, clocks: Clocks, worked: I64, tasks: I64, period: tuple[int, int], sign: int) -> None:
    cells = Cells.of(log, tasks, clocks.mask, worked)
    for clock in CLOCKS:
        moment = clocks.moments[clock]
        _add(found, clock, cells.take((moment >= period[0]) & (moment < period[1])), sign)


def _add(found: Tally, clock: str, cells: Cells, sign: int) -> None:
    counts = found.masks[clock]
    counts += sign * np.bincount(cells.masks, minlength=counts.size).reshape(counts.shape)
    if clock == "settled":
        found.on_time += sign * np.bincount(cells.pairs, minlength=found.on_time.size).reshape(-1, 2)
        done = np.bincount(cells.pairs >> 1, weights=cells.worked > 0, minlength=len(found.worked))
        time = np.bincount(cells.pairs >> 1, weights=cells.worked, minlength=len(found.worked))
        found.worked += sign * np.rint(np.stack([done, time], axis=1)).astype(np.int64)
    elif clock == "sent":
        found.senders += sign * np.bincount(cells.senders, minlength=found.senders.size).reshape(-1, 2)


def _loose(log: Log, index: Index, until: int) -> I64:
    """Tasks that must be counted from their events: sorted codes."""
    reaching = np.flatnonzero((index.opened < until) & (index.last >= until))
    appealed = [log.codes[task] for task, _ in log.corrections]
    return np.unique(np.concatenate([log.loose(), reaching, np.array(appealed, dtype=np.int64)]))


def _correct(found: Tally, log: Log, fresh: Clocks, loose: I64, period: tuple[int, int], known: int) -> None:
    unit = log.of("unit", loose)
    names = len(found.charged)
    touched = np.zeros(len(loose), dtype=bool)
    for rate, effects in effects_by_rate(log, loose, known).items():
        num, den = members(rate, fresh, *period)
        rows = {row: effect for row, effect in effects.items() if den[row]}
        new_num, new_den = corrected(rate, num, den, rows)
        touched[list(rows)] = True
        found.corrections[rate] = (
            _sums(unit, new_num, names) - _sums(unit, num, names),
            _sums(unit, new_den, names) - _sums(unit, den, names),
        )
    found.appeals += _sums(unit, touched, names)


def _sums(unit: NDArray[np.int32], chosen: NDArray[np.bool_], names: int) -> I64:
    return np.bincount(unit[chosen], minlength=names).astype(np.int64)


def effects_by_rate(log: Log, tasks: I64, known: int = NEVER) -> dict[str, dict[int, str]]:
    """Upheld appeals about ``tasks`` (sorted codes) decided before ``known``: rate → place in ``tasks`` → effect."""
    found: dict[str, dict[int, str]] = {}
    for (task, rate), (effect, at) in log.corrections.items():
        place = int(np.searchsorted(tasks, log.codes[task]))
        if at < known and place < len(tasks) and tasks[place] == log.codes[task]:
            for linked in LINKED.get(rate, (rate,)):
                found.setdefault(linked, {})[place] = effect
    return found


def around(log: Log, index: Index, since: int, until: int) -> tuple[I64, Clocks, Facts]:
    """Every task that was dispatched, settled or talked about in a period: sorted codes, their clocks and facts."""
    slices = [
        index.order[clock][slice(*np.searchsorted(index.sorted[clock], [since, until]))].astype(np.int64)
        for clock in CLOCKS
    ]
    tasks = np.unique(np.concatenate([*slices, _loose(log, index, until)]))
    ledger = log.ledger(tasks).until(until)
    facts = ledger.facts()
    return tasks, _clocks(log, ledger, facts), facts


def behind(
    log: Log, index: Index, department: int, rate: str, clock: str, since: int, until: int
) -> tuple[I64, Clocks, Facts]:
    """The tasks of a department that ``rate`` may count in a period: sorted codes, their clocks and facts.

    ``clock`` is the rate's; what an appeal says is not yet applied.
    """
    low, high = np.searchsorted(index.sorted[clock], [since, until])
    loose = _loose(log, index, until)
    tasks = np.unique(np.concatenate([index.order[clock][low:high].astype(np.int64), loose]))
    tasks = tasks[log.of("unit", tasks) == department]
    ledger = log.ledger(tasks).until(until)
    facts = ledger.facts()
    found = _clocks(log, ledger, facts)
    _, den = members(rate, found, since, until)
    rows = np.flatnonzero(den)
    chosen = log.ledger(tasks[rows]).until(until)
    return tasks[rows], found.take(rows), chosen.facts()
