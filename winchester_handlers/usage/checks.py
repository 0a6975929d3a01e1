"""The checks of a usage record (`compute.instance.exists`), as pure functions.

The codes U0 to U8, the order of the checks and the texts of the faults are the same as in StackTach
v3's usage handler, because operators search their logs for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.model import Event

EXISTS = "compute.instance.exists"
DELETE = "compute.instance.delete.end"
OPERATIONS = frozenset(
    f"compute.instance.{operation}.end" for operation in ("rebuild", "finish_resize", "rescue")
)
"""Operations that may change billed traits. An `exists` must agree with the last of them."""

CORE_TRAITS = (
    "launched_at",
    "instance_flavor_id",
    "tenant_id",
    "os_architecture",
    "os_version",
    "os_distro",
)
DELETE_TRAITS = ("launched_at", "deleted_at")

ONE_DAY = timedelta(days=1)
MAX_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """Reason why a usage record is wrong: a code (U0 to U8) and an explanation."""

    code: str
    error: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of the checks of one `exists`. It is verified if `fault` is None."""

    fault: Fault | None = None
    warnings: tuple[str, ...] = ()


NO_EXISTS = Fault("U0", "Notifications, but no .exists notification found.")


def judge(exists: Event, block: Sequence[Event]) -> Verdict:
    """Check `exists` against `block`, the events since the previous `exists`.

    The verdict contains the first fault. Never raises, so every `exists` gets a verdict. A trait
    counts as missing if it is None or "", because nova sends both. A datetime is compared only with
    a datetime; naive datetimes are in UTC.
    """
    exists, block = _without_empty(exists), [_without_empty(event) for event in block]
    fault = _launch_fault(exists, block)
    if fault is not None:
        return Verdict(fault)
    warnings: tuple[str, ...] = ()
    operation = _last_operation(block)
    if operation is not None:
        fault = _conflict(exists, operation, CORE_TRAITS)
    elif _is_not_end_of_day(exists):
        message_id = exists.get("message_id")
        warnings = (f"Non-EOD .exists found (msg_id: {message_id}) with no operation event.",)
    return Verdict(fault or _delete_fault(exists, block), warnings)


def _without_empty(event: Event) -> Event:
    return {name: value for name, value in event.items() if value != ""}


def _launch_fault(exists: Event, block: Sequence[Event]) -> Fault | None:
    if exists.get("state") != "active":
        return None
    launched_at = exists.get("launched_at")
    if launched_at is None:
        return Fault("U1", ".exists has no launched_at value.")
    if not isinstance(launched_at, datetime):
        return Fault("U1", f".exists launched_at is not a time: {_shown(launched_at)}.")
    if not block and _is_in_period(launched_at, exists):
        return Fault("U8", ".exists launched_at in audit period, but no related events found.")
    return None


def _delete_fault(exists: Event, block: Iterable[Event]) -> Fault | None:
    deletes = [event for event in block if event.get("event_type") == DELETE]
    deleted_at = exists.get("deleted_at")
    if deleted_at is None:
        if deletes:
            return Fault("U6", ".exists has no deleted_at value, but a .delete.end event found.")
        return None
    if exists.get("state") != "deleted":
        return Fault("U3", f".exists has deleted_at, but state is {_shown(exists.get('state'))}.")
    match deletes:
        case []:
            return _undocumented_delete_fault(exists, deleted_at)
        case [delete]:
            return _conflict(exists, delete, DELETE_TRAITS)
        case _:
            return Fault("U7", "Multiple .delete.end events")


def _undocumented_delete_fault(exists: Event, deleted_at: Any) -> Fault | None:
    if not isinstance(deleted_at, datetime):
        return None
    launched_at = exists.get("launched_at")
    if isinstance(launched_at, datetime) and _aware(deleted_at) < _aware(launched_at):
        return Fault("U4", ".exists deleted_at is before launched_at.")
    if _is_in_period(deleted_at, exists):
        return Fault(
            "U5", ".exists deleted_at in audit period, but no matching .delete event found."
        )
    return None


def _last_operation(block: Sequence[Event]) -> Event | None:
    return next((event for event in reversed(block) if event.get("event_type") in OPERATIONS), None)


def _conflict(exists: Event, event: Event, traits: Iterable[str]) -> Fault | None:
    """Return U2 for the first of `traits` that differs in value or type, or that one side lacks."""
    for trait in traits:
        ours, theirs = exists.get(trait), event.get(trait)
        if _typed(ours) != _typed(theirs):
            return Fault(
                "U2",
                f"Conflicting {trait} values: {_shown(ours)} in .exists, "
                f"{_shown(theirs)} in {event['event_type']} (msg_id: {event.get('message_id')}).",
            )
    return None


def _is_in_period(moment: datetime, exists: Mapping[str, Any]) -> bool:
    period = _audit_period(exists)
    return period is not None and period[0] <= _aware(moment) <= period[1]


def _is_not_end_of_day(exists: Mapping[str, Any]) -> bool:
    """Return whether the audit period is known and does not end on the day after its begin.

    Dates are in UTC. The dates are subtracted, because the last possible date has no next day.
    """
    period = _audit_period(exists)
    return period is not None and period[1].date() - period[0].date() != ONE_DAY


def _audit_period(exists: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    begin, end = exists.get("audit_period_beginning"), exists.get("audit_period_ending")
    if isinstance(begin, datetime) and isinstance(end, datetime):
        return _aware(begin), _aware(end)
    return None


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _typed(value: Any) -> tuple[type, Any]:
    return type(value), _aware(value) if isinstance(value, datetime) else value


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text[:MAX_SHOWN_CHARACTERS]
