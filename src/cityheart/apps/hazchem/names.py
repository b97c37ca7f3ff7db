"""What the datasets of this application are called, for words that people read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cityheart.sdk import Text, text

__all__ = ["listed", "title"]


@cache
def title(dataset: str) -> Text:
    """The title of a dataset; its name when another application declares it."""
    if dataset == "alerts":
        return text("预警", "alerts")
    contract = Path(__file__).parent / "contracts" / f"{dataset}.json"
    if not contract.is_file():
        return text(dataset, dataset)
    said = json.loads(contract.read_text("utf-8"))["title"]
    return text(said["zh-CN"], said["en"])


def listed(datasets: Iterable[str]) -> tuple[str, str]:
    """Their titles one after the other, in Chinese and in English."""
    titles = [title(each) for each in datasets]
    return "、".join(f"“{each['zh-CN']}”" for each in titles), ", ".join(each["en"] for each in titles)
