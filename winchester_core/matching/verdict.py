"""Why an event does or does not satisfy a criterion, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one demand, and of the demands that it is made of.

    `reason` shows kinds of values, never a value of the event, which may be confidential. The
    number of different reasons is therefore bounded, and they can be counted.
    """

    matched: bool
    reason: str
    parts: tuple[Verdict, ...] = ()


def failures(parts: tuple[Verdict, ...]) -> str:
    """The reasons of those that did not match."""
    return "; ".join(part.reason for part in parts if not part.matched)
