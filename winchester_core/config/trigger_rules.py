"""Rules that concern several keys of a trigger definition, and warnings about its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from voluptuous import Invalid

from winchester_core.errors import TimeEvaluationError
from winchester_core.interfaces.params import duration
from winchester_core.timex import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_ORDERED_NUMBER: Final = 1_000
"""Maximum of numbers, and of their total, if the order or the time of the events matters."""

FIRE_KEYS: Final = ("fire_pipeline", "fire_order", "fire_within", "fire_delay", "suppress")
"""Keys that have no meaning without fire criteria."""

_to_duration = duration()


def conflicts(config: Mapping[str, Any]) -> Iterator[Invalid]:
    """Yield an error for each key that another key of the trigger forbids.

    Each key of `config` is valid by itself. The paths of the errors are relative to `config`.
    """
    if "fire_criteria" not in config:
        for key in FIRE_KEYS:
            if config.get(key) is not None:
                yield Invalid("needs fire_criteria", [key])
    yield from _errors_of_numbers(config)
    yield from _errors_of_sums(config)
    if "cancel_pipeline" in config and "cancel_criteria" not in config:
        yield Invalid("needs cancel_criteria", ["cancel_pipeline"])
    joins = [each.get("opens") is False for each in config["match_criteria"]]
    if all(joins):
        yield Invalid("every criterion has 'opens: false'; one must open", ["match_criteria"])
    if "lateness" in config and not any(joins) and "cancel_criteria" not in config:
        yield Invalid(
            "needs a match criterion with 'opens: false', or cancel_criteria", ["lateness"]
        )
    if "keep" in config:
        yield from _errors_of_keep(config)


def missing_fire_criteria(config: Mapping[str, Any]) -> Iterator[Invalid]:
    """Yield an error if streams can neither fire nor expire. Other keys may be invalid."""
    if "fire_criteria" not in config and not config.get("expire_pipeline"):
        message = "is missing; a trigger without it needs an expire_pipeline"
        yield Invalid(message, ["fire_criteria"])


def _errors_of_numbers(config: Mapping[str, Any]) -> Iterator[Invalid]:
    """Limit the numbers of a trigger that keeps the times of events in its streams' rows."""
    criteria = config.get("fire_criteria", ())
    every = config.get("fire_order") == "sequence" or "fire_within" in config
    limited = [
        (index, each.get("number", 1))
        for index, each in enumerate(criteria)
        if every or "within" in each or "distinct" in each
    ]
    for index, number in limited:
        if number > MAX_ORDERED_NUMBER:
            yield Invalid(
                f"expected at most {MAX_ORDERED_NUMBER:,} with within, distinct, fire_within or "
                "'fire_order: sequence'",
                ["fire_criteria", index, "number"],
            )
            return
    total = sum(each.get("number", 1) for each in criteria if "sum" not in each)
    if limited and total > MAX_ORDERED_NUMBER:
        yield Invalid(
            f"the numbers add up to {total:,}; expected at most {MAX_ORDERED_NUMBER:,} with "
            "within, distinct, fire_within or 'fire_order: sequence'",
            ["fire_criteria"],
        )


def _errors_of_sums(config: Mapping[str, Any]) -> Iterator[Invalid]:
    other = (
        "'fire_order: sequence'"
        if config.get("fire_order") == "sequence"
        else "'fire_within'"
        if "fire_within" in config
        else None
    )
    for index, criterion in enumerate(config.get("fire_criteria", ())):
        if "sum" in criterion and other is not None:
            yield Invalid(f"cannot be combined with {other}", ["fire_criteria", index, "sum"])


def _errors_of_keep(config: Mapping[str, Any]) -> Iterator[Invalid]:
    if "fire_within" not in config:
        yield Invalid("needs fire_within", ["keep"])
    elif _to_duration(config["keep"]) < _to_duration(config["fire_within"]):
        yield Invalid("expected at least as long as fire_within", ["keep"])


_SAMPLE_TIME: Final = datetime(2001, 1, 15, 12, tzinfo=UTC)
"""A time in the middle of a month, for which an expiration is evaluated."""


def warnings_of(config: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield warnings, with their paths, about an expiration that comes before a window ends."""
    windows = [(("fire_within",), config.get("fire_within"))] + [
        (("fire_criteria", index, "within"), criterion.get("within"))
        for index, criterion in enumerate(config.get("fire_criteria", ()))
    ]
    expiration = parse(config["expiration"])
    for path, value in windows:
        if value is None:
            continue
        if expiration.variables == {"first"}:
            text = value if isinstance(value, str) else f"{value}s"
            message = (
                f"the expiration {expiration.text!r} ends a stream while it still receives events, "
                "and events on both sides of its end are not counted together; write "
                f"'expiration: $last + {text}'"
            )
            yield path, message
        elif "last" in expiration.variables and _to_duration(value) > (
            added := _added_to_last(config)
        ):
            message = (
                f"longer than the expiration {expiration.text!r} adds to $last "
                f"({added.total_seconds():g} s), so that a stream may end before its criteria are "
                "met"
            )
            yield path, message


def _added_to_last(config: Mapping[str, Any]) -> timedelta:
    variables = dict.fromkeys(("first", "last", "timestamp"), _SAMPLE_TIME)
    try:
        return parse(config["expiration"]).begin(variables) - _SAMPLE_TIME
    except TimeEvaluationError:
        return timedelta.max  # after the year 9999
