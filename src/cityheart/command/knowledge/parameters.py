"""The numbers by which similar cases are found and counted: data of ``parameters.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Parameters", "parameters"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """Every number of ``parameters.toml``, as section_name; see there."""

    words_saturation: float
    words_length: float
    words_floor: float
    similarity_words: float
    similarity_level: float
    similarity_place: float
    similarity_hour: float
    similarity_season: float
    similarity_level_apart: float
    similarity_place_metres: float
    vote_neighbours: int
    vote_power: float
    vote_half_life_days: float
    vote_outcome_least: float
    vote_other_level: float
    vote_declared: float
    vote_unknown: float
    confidence_least: float
    confidence_similar: float
    changes_least_cases: int
    changes_least_share: float
    changes_shown: int


@cache
def parameters() -> Parameters:
    """The parameters as they are shipped."""
    sections = tomllib.loads((Path(__file__).parent / "parameters.toml").read_text("utf-8"))
    return Parameters(
        **{f"{section}_{name}": value for section, part in sections.items() for name, value in part.items()}
    )
