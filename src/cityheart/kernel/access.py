"""Who may do what: permissions by role, default deny.

A role grants a permission for the whole city, or for the actor's own department and those below it only. Services call
:func:`require` before a verb and put :func:`departments` into the WHERE clause of a list, so counts are trimmed like rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cityheart.kernel.actors import Actor
from cityheart.kernel.errors import Forbidden

__all__ = [
    "GIVEN_BY_DEPARTMENTS",
    "PERMISSIONS",
    "ROLES",
    "can",
    "departments",
    "permissions",
    "require",
    "require_everywhere",
]

# in Chinese, and what a role is for: serve/roles.toml
PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "alert.read": "see alerts with their evidence",
        "alert.acknowledge": "acknowledge an alert, which issues it",
        "alert.suppress": "silence alerts for a while, with a reason, and lift it",
        "incident.read": "see incidents and their log",
        "incident.dispatch": "dispatch a plan, lift an incident",
        "task.read": "see tasks",
        "task.act": "accept, submit, return tasks, ask for more time",
        "task.verify": "verify or reject submitted work",
        "task.decide": "decide on returns and extensions, reassign, suspend",
        "score.read": "see scores and the events behind them",
        "score.manage": "publish formulas",
        "appeal.file": "appeal against a score",
        "appeal.decide": "decide on appeals",
        "source.read": "see sources, deliveries, quality",
        "source.manage": "pull, pause, change sources",
        "quarantine.read": "see rows in quarantine",
        "quarantine.replay": "replay or dismiss rows in quarantine",
        "dataset.read": "read unconditional datasets",
        "share.request": "ask for columns and rows of a dataset that are not shared with one",
        "share.decide": "answer requests for a department's data, give and revoke grants",
        "event.read": "read the event log",
        "user.manage": "create, change and block accounts",
        "plan.read": "see plans",
        "plan.draft": "draw and edit drafts of plans and decision tables",
        "plan.publish": "publish plans and decision tables that somebody else drafted",
        "run.patch": "change a run under way: add, skip, reassign, extend steps",
        "duty.read": "see who is on duty",
        "duty.manage": "change duty rosters and deputies",
        "handover.read": "read what shifts hand over to one another",
        "handover.write": "write, sign and take over what a shift hands over",
        "case.read": "see closed cases and regulation clauses",
        "case.manage": "import closed cases and regulation clauses",
        "report.read": "see what residents reported",
        "report.file": "take in reports",
        "report.decide": "merge and split reports, name the department, open an incident",
        "outbox.manage": "see what did not leave the city, and have it sent again",
        "detector.backtest": "run backtests",
        "layer.read": "see map layers and panels",
        "form.submit": "fill in forms of applications' pages",
        "subject.read": "find subjects and see what their datasets allow",
        "subject.review": "decide which records are the same, split and merge subjects",
    }
)

_SEE = (
    "alert.read",
    "incident.read",
    "task.read",
    "score.read",
    "source.read",
    "dataset.read",
    "plan.read",
    "layer.read",
    "duty.read",
    "handover.read",
    "case.read",
    "subject.read",
    "share.request",
)
_DIRECT = ("incident.dispatch", "run.patch", "task.verify", "task.decide", "plan.draft", "plan.publish", "event.read")
_HEAR = ("report.read", "report.file", "report.decide")
_ALL = tuple(PERMISSIONS)

# role -> permission -> True for the whole city, False for the own department only
ROLES: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "duty_officer": {
            **dict.fromkeys(_SEE, True),
            **dict.fromkeys(
                ("alert.acknowledge", "alert.suppress", "duty.manage", "form.submit", *_DIRECT, *_HEAR), True
            ),
            "handover.write": True,
        },
        "coordinator": {
            **dict.fromkeys(_SEE, True),
            **dict.fromkeys((*_DIRECT, *_HEAR, "handover.write"), True),
        },
        "clerk": {
            **dict.fromkeys(
                (
                    "alert.read",
                    "incident.read",
                    "dataset.read",
                    "layer.read",
                    "plan.read",
                    "score.read",
                    "duty.read",
                    "case.read",
                    "subject.read",
                ),
                True,
            ),
            **dict.fromkeys(
                (
                    "share.request",
                    "task.read",
                    "task.act",
                    "task.verify",
                    "source.read",
                    "quarantine.read",
                    "appeal.file",
                    "duty.manage",
                    "handover.read",
                    "handover.write",
                    "report.read",
                    "subject.review",
                    "form.submit",
                ),
                False,
            ),
        },
        "steward": {
            **dict.fromkeys(("source.read", "dataset.read", "layer.read", "subject.read", "subject.review"), True),
            **dict.fromkeys(
                ("source.manage", "quarantine.read", "quarantine.replay", "case.read", "case.manage"), True
            ),
            **dict.fromkeys(("share.request", "share.decide"), False),  # who belongs to no department: see share/grants
        },
        "analyst": {
            **dict.fromkeys(_SEE, True),
            **dict.fromkeys(("detector.backtest", "event.read"), True),
        },
        "inspector": dict.fromkeys((*_SEE, "event.read", "score.manage", "appeal.decide"), True),
        "mayor": dict.fromkeys((*_SEE, "event.read"), True),
        "operator": {  # of the hotline
            **dict.fromkeys(
                ("alert.read", "incident.read", "duty.read", "layer.read", "report.read", "report.file"), True
            ),
        },
        "department_admin": {  # keeps the accounts of the own department
            **dict.fromkeys(("alert.read", "dataset.read", "layer.read", "duty.read"), True),
            **dict.fromkeys(("user.manage", "duty.manage", "source.read", "task.read"), False),
        },
        "admin": dict.fromkeys(_ALL, True),
        "system": dict.fromkeys(_ALL, True),
    }
)

# what a department's administrator may give: nothing that reaches further than the department's own clerks do
GIVEN_BY_DEPARTMENTS = frozenset({"clerk"})


def departments(actor: Actor, permission: str) -> frozenset[str] | None:
    """The departments over which the actor holds ``permission``: ``None`` for all, an empty set for none."""
    if permission not in PERMISSIONS:
        raise KeyError(f"no such permission: {permission}")
    scopes = [ROLES[role][permission] for role in actor.roles if role in ROLES and permission in ROLES[role]]
    if any(scopes):
        return None
    if scopes and actor.department is not None:
        return actor.under | {actor.department}
    return frozenset()


def can(actor: Actor, permission: str, department: str | None = None) -> bool:
    """Whether the actor holds ``permission`` for ``department`` (``None``: at least somewhere)."""
    held = departments(actor, permission)
    if held is None:
        return True
    return bool(held) if department is None else department in held


def require(actor: Actor, permission: str, department: str | None = None) -> None:
    """Raise :class:`Forbidden` unless the actor holds ``permission`` for ``department``."""
    if not can(actor, permission, department):
        whose = f" for department {department}" if department else ""
        raise Forbidden(
            f"{actor.id} may not {PERMISSIONS[permission]}{whose}",
            remedy=f"ask an administrator for a role with {permission}",
            permission=permission,
            scope="anywhere" if department is None else "department",
        )


def require_everywhere(actor: Actor, permission: str) -> None:
    """Raise :class:`Forbidden` unless the actor holds ``permission`` for the whole city, not for a department alone."""
    if departments(actor, permission) is not None:
        raise Forbidden(
            f"{actor.id} may not {PERMISSIONS[permission]} for the whole city",
            remedy=f"ask an administrator for a role with {permission} for the whole city",
            permission=permission,
            scope="everywhere",
        )


def permissions(actor: Actor) -> list[str]:
    """Every permission the actor holds at least for the own department, sorted."""
    return sorted(permission for permission in PERMISSIONS if can(actor, permission))
