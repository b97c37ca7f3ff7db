"""English words follow their number."""

from __future__ import annotations

from cityheart.kernel.text import counted


def test_a_word_follows_its_number() -> None:
    assert [counted(n, "order") for n in (0, 1, 2)] == ["0 orders", "1 order", "2 orders"]
    assert counted(1, "person lives", "people live") == "1 person lives"
    assert counted(12, "lorry", "lorries") == "12 lorries"
