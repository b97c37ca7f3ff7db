"""Knowledge: regulation clauses, closed cases, and which plan they suggest for a matter, with the reason for each step.

``declared`` says which plans suit by their own declaration; ``advice`` weighs them by what was done in similar cases and
adds what clauses ask for; ``service`` keeps cases and clauses and answers.
"""

from __future__ import annotations

from cityheart.command.knowledge.declared import LEVEL_NAMES, Suggestion, suggest

__all__ = ["LEVEL_NAMES", "Suggestion", "suggest"]
