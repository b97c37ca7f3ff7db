"""Which way through the drawing leads to a node: conditions of gateways as sets of choices that can be compared.

A *way* is a set of choices, each "at this gateway one of these branches was taken"; what leads to a node is one or more
ways. From these it is decided whether branches that meet exclude each other, whether a join can ever be reached, and
what condition a step of a branch has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["ALWAYS", "Choice", "Split", "Way", "Ways", "chosen", "complete", "condition", "excluding", "joined"]

Choice = tuple[str, frozenset[int]]
Way = frozenset[Choice]
Ways = frozenset[Way]
ALWAYS: Ways = frozenset({frozenset()})
MANY = 64  # ways to one node beyond which a drawing is no longer followed


@dataclass(frozen=True, slots=True)
class Split:
    """A place where the drawing parts. ``conditions`` of the branches in order; ``None`` for the default branch.

    ``exclusive``: the first branch whose condition holds is taken, else every one whose condition holds.
    """

    id: str
    exclusive: bool
    conditions: tuple[str | None, ...]


def chosen(ways: Ways, split: str, branch: int) -> Ways:
    """The ways that go on by this branch."""
    return frozenset(way | {(split, frozenset({branch}))} for way in ways)


def excluding(one: Ways, other: Ways, splits: Mapping[str, Split]) -> bool:
    """Whether never both are gone."""
    return all(_exclude(a, b, splits) for a in one for b in other)


def _exclude(one: Way, other: Way, splits: Mapping[str, Split]) -> bool:
    branches = dict(other)
    return any(splits[split].exclusive and split in branches and not taken & branches[split] for split, taken in one)


def joined(parts: Iterable[Ways], splits: Mapping[str, Split]) -> Ways:
    """What leads on when any of these ways was gone, in its simplest form."""
    ways: set[Way] = set().union(*parts)
    while True:
        merged = _merge_two(ways, splits)
        if merged is None:
            break
        ways = merged
    return frozenset(way for way in ways if not any(other != way and _weaker(other, way) for other in ways))


def _merge_two(ways: set[Way], splits: Mapping[str, Split]) -> set[Way] | None:
    """Two ways that differ in one gateway's branches only become one; without that choice when every branch is in."""
    rests: dict[tuple[str, Way], list[Way]] = {}
    for way in ways:
        for choice in way:
            rests.setdefault((choice[0], way - {choice}), []).append(way)
    for (split, rest), alike in sorted(rests.items(), key=lambda item: (-len(item[1]), item[0][0], len(item[0][1]))):
        if len(alike) < 2:
            return None
        taken = frozenset[int]().union(*(dict(way)[split] for way in alike))
        whole = len(taken) == len(splits[split].conditions)
        return (ways - set(alike)) | {rest if whole else rest | {(split, taken)}}
    return None


def _weaker(one: Way, other: Way) -> bool:
    """Whether ``one`` was gone whenever ``other`` was."""
    branches = dict(other)
    return all(split in branches and branches[split] <= taken for split, taken in one)


# ── as a condition of a step ───────────────────────────────────────────────────────────────────────────────────


def condition(ways: Ways, splits: Mapping[str, Split], places: Mapping[str, int], own: str | None = None) -> str | None:
    """The condition in the language of ``when``; ``None`` when nothing needs to hold.

    ``places`` orders gateways as they are met; ``own`` is a condition the step has besides.
    """
    alternatives = []
    for way in sorted(ways, key=lambda way: sorted((places.get(s, 0), sorted(t)) for s, t in way)):
        terms = [_branches(splits[split], taken) for split, taken in sorted(way, key=lambda c: places.get(c[0], 0))]
        alternatives.append(_all(terms))
    whole = "" if "" in alternatives else _any(alternatives)
    return _all([term for term in (whole, own or "") if term]) or None


def _branches(split: Split, taken: frozenset[int]) -> str:
    default = split.conditions.index(None) if None in split.conditions else None
    everything = frozenset(range(len(split.conditions)))
    if default is not None and default in taken:
        return _not(_branches(split, everything - taken))
    if not split.exclusive:
        return _any([split.conditions[branch] or "" for branch in sorted(taken)])
    if taken == frozenset(range(len(taken))):  # the first ones, default not among them: any of them will do
        return _any([split.conditions[branch] or "" for branch in sorted(taken)])
    return _any([_first(split, branch) for branch in sorted(taken)])


def _first(split: Split, branch: int) -> str:
    """That this branch is taken: its condition holds and none before it does."""
    own = split.conditions[branch] or ""
    before = [c for c in split.conditions[:branch] if c is not None and not _apart(c, own)]
    return _all([own, *(_not(c) for c in before)])


def _all(terms: list[str]) -> str:
    terms = list(dict.fromkeys(term for term in terms if term))
    return terms[0] if len(terms) == 1 else " and ".join(_bracketed(term, "or") for term in terms)


def _any(terms: list[str]) -> str:
    terms = list(dict.fromkeys(terms))
    return terms[0] if len(terms) == 1 else " or ".join(_bracketed(term, "") for term in terms)


def _not(term: str) -> str:
    return f"not ({term})"


_STRINGS = re.compile(r"'[^']*'")


def _bracketed(term: str, weaker: str) -> str:
    """In brackets where it has a word that binds less than what it is put into."""
    return f"({term})" if weaker and re.search(rf"\b{weaker}\b", _STRINGS.sub("", term)) else term


_SIMPLE = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?|'[^']*'|true|false)\s*")


def _apart(one: str, other: str) -> bool:
    """Whether two plain comparisons of one name can never hold together; in doubt, no."""
    if _negates(one, other) or _negates(other, one):
        return True
    a, b = _SIMPLE.fullmatch(one), _SIMPLE.fullmatch(other)
    if a is None or b is None or a[1] != b[1]:
        return False
    if a[2] == b[2] == "==":
        return (a[3] != b[3] and _number(a[3]) is None and _number(b[3]) is None) or _differ(a[3], b[3])
    low_a, high_a = _span(a[2], _number(a[3]))
    low_b, high_b = _span(b[2], _number(b[3]))
    if None in (low_a, high_a, low_b, high_b):
        return False
    assert low_a and high_a and low_b and high_b
    return _below(high_a, low_b) or _below(high_b, low_a)


def _negates(one: str, other: str) -> bool:
    return one == f"not ({other})" or (one == f"not {other}" and other.isidentifier())


def complete(conditions: Iterable[str | None]) -> bool:
    """Whether one of these conditions always holds; in doubt, no. ``None`` is the default branch."""
    given = list(conditions)
    if None in given:
        return True
    pairs = [(a, b) for a in given for b in given if a is not None and b is not None and a is not b]
    return any(_negates(a, b) or _fill(a, b) for a, b in pairs)


def _fill(one: str, other: str) -> bool:
    """Whether two plain comparisons of one name leave no number out."""
    a, b = _SIMPLE.fullmatch(one), _SIMPLE.fullmatch(other)
    if a is None or b is None or a[1] != b[1]:
        return False
    (low_a, high_a), (low_b, high_b) = _span(a[2], _number(a[3])), _span(b[2], _number(b[3]))
    if None in (low_a, high_a, low_b, high_b):
        return False
    assert low_a and high_a and low_b and high_b
    open_ends = low_a[0] == float("-inf") and high_b[0] == float("inf")
    meet = high_a[0] > low_b[0] or (high_a[0] == low_b[0] and (high_a[1] or low_b[1]))
    return open_ends and meet


def _differ(one: str, other: str) -> bool:
    a, b = _number(one), _number(other)
    return a is not None and b is not None and a != b


def _number(written: str) -> float | None:
    try:
        return float(written)
    except ValueError:
        return None


Edge = tuple[float, bool]  # where, and whether that very value is in


def _span(sign: str, value: float | None) -> tuple[Edge | None, Edge | None]:
    if value is None:
        return None, None
    whole = float("-inf"), float("inf")
    low = {"==": (value, True), ">": (value, False), ">=": (value, True)}.get(sign, (whole[0], True))
    high = {"==": (value, True), "<": (value, False), "<=": (value, True)}.get(sign, (whole[1], True))
    return low, high


def _below(high: Edge, low: Edge) -> bool:
    return high[0] < low[0] or (high[0] == low[0] and not (high[1] and low[1]))
