"""How a conformance suite says what is wrong with a plugin."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from winchester_core.pipelines import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SHOWN_CHARACTERS = 80


class ConformanceError(AssertionError):
    """A rule of the plugin's interface that it does not keep; the message says which, and how.

    An `AssertionError`, so that every test runner counts it as a failed test.
    """


def demand(holds: bool, fault: str) -> None:
    """Raise `ConformanceError` with `fault` unless the rule holds."""
    __tracebackhide__ = True
    if not holds:
        raise ConformanceError(fault)


@contextmanager
def calling(what: str, rule: str = "") -> Iterator[None]:
    """Let an exception of the plugin's code be a fault: `what` raised it, against the `rule`."""
    __tracebackhide__ = True
    try:
        yield
    except ConformanceError:
        raise
    except (Exception, SystemExit) as error:
        told = f"{what} raised {describe_error(error)}"
        raise ConformanceError(f"{told}; {rule}" if rule else told) from error


def shown(value: Any) -> str:
    """A value for a message, cut short where it is long."""
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


def name_of(plugin: Any) -> str:
    """What a plugin is called in a message."""
    return getattr(plugin, "__name__", None) or type(plugin).__name__
