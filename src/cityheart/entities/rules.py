"""The rules of resolution as data: ``rules.toml``, read and checked once."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from cityheart.entities.normalise import spelling
from cityheart.kernel.errors import Invalid

__all__ = ["KINDS", "POINTS", "KindRules", "Rules", "read_rules", "rules"]

KINDS = ("firm", "site", "vehicle", "tank", "outlet", "meter")

POINTS = (
    "name_exact", "name_core", "name_former", "name_stem", "name_sound", "name_swapped", "name_near", "name_alike",
    "name_other", "name_trade", "name_renamed", "name_rare", "name_sole", "name_shared", "region_other", "form_other",
    "address_same", "address_road", "address_number", "address_other", "area_other", "address_sole", "address_shared",
    "person_same", "person_other", "person_sole", "person_shared",
    "phone_same", "phone_other", "phone_sole", "phone_shared",
    "registration_same", "registration_other", "code_near",
    "of_same", "of_other", "place_at", "place_near", "place_apart", "place_far",
    "several",
)  # fmt: skip
"""What a pair of records gets points for, in the order of the bits of its evidence."""


@dataclass(frozen=True)
class KindRules:
    """How records of one kind become subjects; without ``points`` only by equal identifiers."""

    unique: tuple[str, ...]
    decisive: tuple[str, ...]
    auto: float = 0.0
    review: float = 0.0
    points: Mapping[str, float] | None = None

    def weights(self) -> npt.NDArray[np.float64]:
        """The points in the order of :data:`POINTS`."""
        assert self.points is not None
        return np.array([self.points[name] for name in POINTS])


@dataclass(frozen=True)
class Rules:
    """All rules. ``model`` names them with the spelling rules they stand on: it is noted with every link.

    ``digest`` is of their text, so that numbers that were changed without another version are other rules.
    """

    version: str
    digest: str
    block: int
    margin: float
    kinds: Mapping[str, KindRules]

    @property
    def model(self) -> str:
        """The version of the rules and of the spelling."""
        return f"{self.version[:20]}+{spelling().version[:20]}+{self.digest}"


def read_rules(source: str) -> Rules:
    """Rules from TOML text. Raises :class:`Invalid` naming what is missing or unknown."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    try:
        given = tomllib.loads(source)
        kinds = {}
        for kind, one in given["kinds"].items():
            points = one.get("points")
            if points is not None and set(points) != set(POINTS):
                wrong = ", ".join(sorted(set(points) ^ set(POINTS)))
                raise Invalid(f"rules of {kind}: points missing or unknown: {wrong}", remedy="name each exactly once")
            if points is not None and not one["review"] <= one["auto"]:
                raise Invalid(f"rules of {kind}: review is above auto", remedy="ask people below auto, not above")
            kinds[kind] = KindRules(
                tuple(one["unique"]),
                tuple(one["decisive"]),
                float(one.get("auto", 0.0)),
                float(one.get("review", 0.0)),
                None if points is None else MappingProxyType({name: float(points[name]) for name in POINTS}),
            )
        if set(kinds) != set(KINDS):
            raise Invalid(f"rules are for {', '.join(sorted(kinds))}", remedy=f"give rules for {', '.join(KINDS)}")
        return Rules(
            str(given["version"]), digest, int(given["block"]), float(given["margin"]), MappingProxyType(kinds)
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise Invalid(f"the rules of resolution cannot be read: {error}", remedy="mend rules.toml") from None


@cache
def rules() -> Rules:
    """The project's own rules."""
    return read_rules((Path(__file__).parent / "rules.toml").read_text("utf-8"))
