"""The index finds what a plain reading of the definition finds, however cases were added."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityheart.command.knowledge import index, words
from cityheart.command.knowledge.index import Archive, entry
from cityheart.command.knowledge.models import Case, CaseStep, Matter
from cityheart.command.knowledge.parameters import parameters

AT = datetime(2024, 6, 1, 8, tzinfo=UTC)
NUMBERS = replace(parameters(), words_floor=1.0)
TEXTS = st.text(st.sampled_from("积水漏气塌陷ab1 ，é"), max_size=12)


def case(number: int, text: str = "积水", **more: object) -> Case:
    """A case that was closed two days before."""
    opened = AT - timedelta(days=3, minutes=number)
    given = {"kind": "flood", "level": 2, "plan": "p", **more}
    return Case(f"case-{number}", "test", text=text, opened_at=opened, closed_at=opened, known_at=opened, **given)  # type: ignore[arg-type]


def matter(text: str = "积水", **more: object) -> Matter:
    """What is asked."""
    return Matter(**{"kind": "flood", "level": 2, "at": AT, "text": text, **more})  # type: ignore[arg-type]


def spelled(text: str) -> Counter[str]:
    """The terms of a text by their definition: pairs of Chinese characters, single ones, triples of other letters."""
    plain, found = text.lower(), Counter[str]()
    han = [0x3400 <= ord(sign) <= 0x9FFF for sign in plain]
    other = [sign.isalnum() and not chinese for sign, chinese in zip(plain, han, strict=True)]

    def letter(at: int) -> str:
        return plain[at] if 0 <= at < len(plain) and other[at] else " "

    for i, sign in enumerate(plain):
        if han[i] and i + 1 < len(plain) and han[i + 1]:
            found[sign + plain[i + 1]] += 1
        elif han[i] and not (i and han[i - 1]):
            found[sign] += 1
        if other[i]:
            found[letter(i - 1) + sign + letter(i + 1)] += 1
    return found


@given(st.lists(TEXTS, max_size=6))
def test_terms_are_pairs_and_triples(texts: list[str]) -> None:
    _, counts, lengths = words.keys(texts)
    assert lengths.tolist() == [sum(spelled(text).values()) for text in texts]
    assert counts.sum() == lengths.sum()
    for text in texts:
        assert sorted(words.terms(text)[1].tolist()) == sorted(spelled(text).values())


def bm25(asked: str, texts: Sequence[str]) -> list[float]:
    """BM25 of each text, as a share of what the asked text would get, after the textbook."""
    k, b = NUMBERS.words_saturation, NUMBERS.words_length
    spoken = [spelled(text) for text in texts]
    mean = max(1.0, sum(sum(one.values()) for one in spoken) / len(texts))
    query = spelled(asked)

    def weight(term: str, count: int, length: int) -> float:
        having = sum(term in one for one in spoken)
        rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        return rarity * (k + 1) * count / (count + k * (1 - b + b * length / mean))

    most = sum(weight(term, count, sum(query.values())) for term, count in query.items())
    return [
        min(1.0, sum(weight(term, one[term], sum(one.values())) for term in query if term in one) / most)
        for one in spoken
    ]


@settings(max_examples=60)
@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS)
def test_words_are_weighed_as_the_textbook_says(texts: list[str], asked: str) -> None:
    archive = Archive()
    archive.add(entry(number, case(number, text)) for number, text in enumerate(texts))
    found = {one.n: one.words for one in archive.similar(matter(asked), NUMBERS, 100)}
    expected = bm25(asked, texts) if spelled(asked) else [0.0] * len(texts)
    assert [found[number] for number in range(len(texts))] == pytest.approx(expected, abs=1e-4)


@settings(max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=14), st.integers(1, 5), TEXTS)
def test_however_cases_are_added_the_answer_is_the_same(texts: list[str], together: int, asked: str) -> None:
    entries = [entry(number, case(number, text, plan=f"p{number % 3}")) for number, text in enumerate(texts)]
    whole, grown = Archive(), Archive()
    whole.add(entries)
    for start in range(0, len(entries), together):
        grown.add(entries[start : start + together])
        grown.similar(matter(asked), NUMBERS, 5)
    first, second = (archive.similar(matter(asked), NUMBERS, 100) for archive in (whole, grown))
    assert [one.n for one in first] == [one.n for one in second]
    assert [one.weight for one in first] == pytest.approx([one.weight for one in second], rel=1e-4)


def test_the_small_part_is_merged_when_it_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_TAIL", 3)
    archive = Archive()
    for number in range(20):
        archive.add([entry(number, case(number, f"{'积水漏气塌陷'[number % 6]}水"))])
        assert len(archive.similar(matter("漏水"), NUMBERS, 100)) == number + 1
    best = archive.similar(matter("漏水"), NUMBERS, 100)[0]
    assert best.n % 6 == 2 and best.words == pytest.approx(1, abs=0.01)


def test_what_does_not_belong_is_left_out() -> None:
    cases = [
        case(0),
        case(1, kind="fire"),
        case(2, level=4),
        case(3, level=3),
        case(4, level=None),
        case(5, stage="transport"),
        replace(case(6), known_at=AT + timedelta(seconds=1)),  # nobody knows it yet
    ]
    archive = Archive()
    archive.add(entry(number, one) for number, one in enumerate(cases))
    assert {one.n for one in archive.similar(matter(), NUMBERS, 100)} == {0, 3, 4, 5}
    assert {one.n for one in archive.similar(matter(stage="storage"), NUMBERS, 100)} == {0, 3, 4}
    assert {one.n for one in archive.similar(matter(level=None), NUMBERS, 100)} == {0, 2, 3, 4, 5}
    assert archive.similar(matter(kind="earthquake"), NUMBERS, 100) == []
    assert len(archive.similar(matter(), NUMBERS, 2)) == 2


def test_what_went_well_lately_and_nearby_counts_more() -> None:
    late = (CaseStep("a", "u", late=True),)
    near, far = case(1, lon=120.90, lat=31.98), case(2, lon=121.20, lat=31.98)
    old = replace(case(3), known_at=AT - timedelta(days=1_500))
    archive = Archive()
    archive.add(entry(number, one) for number, one in enumerate([case(0, steps=late), near, far, old, case(4)]))
    found = {one.n: one for one in archive.similar(matter(lon=120.90, lat=31.98), NUMBERS, 100)}
    assert found[0].weight < found[4].weight and found[0].similarity == pytest.approx(found[4].similarity, abs=0.01)
    assert found[1].similarity > found[2].similarity
    assert found[3].weight < found[4].weight / 3


def test_a_word_that_tells_of_the_plan_counts_more_than_a_street() -> None:
    texts = [(f"{street}号{what}", what) for street in "青年路" * 10 for what in ("车库进水", "桥洞积水")]
    archive = Archive()
    archive.add(
        entry(number, case(number, f"{number % 7}{text}", plan=what[0] + "plan"))
        for number, (text, what) in enumerate(texts)
    )
    plain = archive.similar(matter("青年路9号车库"), replace(NUMBERS, words_floor=50.0), 20)
    telling = archive.similar(matter("青年路9号车库"), replace(NUMBERS, words_floor=0.01), 20)
    right = [number for number, (_, what) in enumerate(texts) if what == "车库进水"]
    assert sum(one.n in right for one in telling) == 20 >= sum(one.n in right for one in plain)
    assert np.mean([one.words for one in telling]) > np.mean([one.words for one in plain])
