"""The routes of account: scores and the tasks behind them. Who asks is ``request.state.actor``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from cityheart.account.models import RATES, Formula, Score, Scores
from cityheart.account.service import Account
from cityheart.kernel import limits
from cityheart.kernel.access import require
from cityheart.kernel.errors import BadRequest

__all__ = ["router", "shown"]

_PERIOD = timedelta(days=30)  # shown while there is nothing on record yet


def router(account: Account) -> APIRouter:
    """The routes below ``/api/scores``."""
    routes = APIRouter(prefix="/api", tags=["account"])

    @routes.get("/scores", summary="Scores of the departments over a period")
    def scores(
        request: Request,
        since: Annotated[datetime | None, Query(alias="from")] = None,
        until: Annotated[datetime | None, Query(alias="to")] = None,
        formula: str | None = None,
    ) -> dict[str, object]:
        require(request.state.actor, "score.read")
        since, until = _period(account, since, until)
        return shown(account, account.scores(since, until, formula))

    @routes.get("/scores/{department}/events", summary="The tasks behind one rate of one department")
    def counted(
        request: Request,
        department: str,
        rate: str = "on_time",
        since: Annotated[datetime | None, Query(alias="from")] = None,
        until: Annotated[datetime | None, Query(alias="to")] = None,
        limit: int = 50,
        after: int = 0,
    ) -> dict[str, object]:
        if not 1 <= limit <= limits.PAGE_ROWS or not 0 <= after < 2**31:
            raise BadRequest("limit or after is out of range", remedy=f"limit is 1 to {limits.PAGE_ROWS}")
        since, until = _period(account, since, until)
        found = account.counted(request.state.actor, department, rate, since, until)
        page = [asdict(one) for one in found[after : after + limit]]
        following = after + limit if after + limit < len(found) else None
        return {"items": page, "total": len(found), "next": following}

    return routes


def shown(account: Account, scores: Scores) -> dict[str, object]:
    """Scores as the API and reports show them."""
    return {
        "from": scores.since,
        "to": scores.until,
        "formula": _formula(scores.formula),
        "departments": [_department(account, score) for score in scores.departments],
    }


def _period(account: Account, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    until = account.now() if until is None else until
    return account.first() or until - _PERIOD if since is None else since, until


def _formula(formula: Formula) -> dict[str, object]:
    return {
        "id": formula.id,
        "version": formula.version,
        "valid_from": formula.valid_from,
        "title": formula.title,
        "source": formula.source,
        "weights": {term.rate: term.weight for term in formula.terms},
        "terms": [asdict(term) for term in formula.terms],
    }


def _department(account: Account, score: Score) -> dict[str, object]:
    return {
        "department": score.department,
        "title": account.unit_title(score.department),
        "n": score.n,
        "score": score.score,
        "rank": score.rank,
        "rates": {rate: score.rates[rate].json() for rate in RATES},
        "on_time_fair": score.on_time_fair,
        "custody_seconds": score.custody_seconds,
        "late": score.late,
    }
