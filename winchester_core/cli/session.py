"""The store of a command, open while the command runs; options that select what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypedDict, TypeVar

from winchester_core.cli.options import ALL_BUT_DATABASE, load_configuration
from winchester_core.cli.values import parse_time_before
from winchester_core.errors import ClockError
from winchester_core.service.exit import UsageError
from winchester_core.suggestions import suggestion

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from winchester_core.config import Part, Settings
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition


PAGE_SIZE = 1000
"""How many rows are read from the database at a time."""


class HasId(Protocol):
    """What has an id that counts up."""

    @property
    def id(self) -> int:
        """The id."""


Item = TypeVar("Item", bound=HasId)


class StoreSession:
    """The configuration, and the store while this is entered.

    `ignores` is what is not read of the configuration. Raises `ConfigurationError`; entering
    raises `SchemaMismatch`, `DatabaseUnavailable`.
    """

    store: Store

    def __init__(self, args: Namespace, *, ignores: Collection[Part] = ALL_BUT_DATABASE) -> None:
        self.args = args
        self.settings = load_configuration(args, ignores=ignores)

    def __enter__(self) -> Self:
        from winchester_core.bootstrap import open_store

        self.store = open_store(self.settings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.store.close()

    def stream_time(self) -> datetime | None:
        """Stream time; None while the event clock has never been set. Raises `ClockError`."""
        from winchester_core.bootstrap import stream_clock

        return stream_clock(self.settings, self.store).now()

    def now(self) -> datetime:
        """Stream time. Raises `UsageError` while the event clock has none, and `ClockError`."""
        now = self.stream_time()
        if now is None:
            raise UsageError("the event clock is not set yet: give a time, not a duration")
        return now

    def moment(self, text: str | None) -> datetime | None:
        """The time that an option names, if it does: a time, or a duration before stream time."""
        return None if text is None else parse_time_before(text, self.now)

    def pages(
        self,
        find: Callable[..., list[Item]],
        wanted: object,
        cursor: int | None,
        largest: int | None = None,
    ) -> Iterator[list[Item]]:
        """What `find`, a method of the store, gives of `wanted` past `cursor`, page by page."""
        for size in self.page_sizes(largest):
            page = find(wanted, cursor=cursor, limit=size)
            yield page
            if len(page) < size:
                return
            cursor = page[-1].id

    def page_sizes(self, largest: int | None = None) -> Iterator[int]:
        """Yield the sizes of the next pages, at most `largest` (`PAGE_SIZE`), up to ``--limit``."""
        left, largest = getattr(self.args, "limit", None), largest or PAGE_SIZE
        while left is None or left > 0:
            size = largest if left is None else min(largest, left)
            yield size
            left = None if left is None else left - size


ALL_BUT_TRIGGERS: Final[tuple[Part, ...]] = ("pipelines", "distiller", "sources")


def known_stream_time(session: StoreSession) -> datetime | None:
    """Stream time, as far as it is known."""
    try:
        return session.stream_time()
    except ClockError:
        return None  # a time service that is away hinders nobody who looks


# ``--older-than`` and ``--younger-than``, in real time, of what the database keeps.


class AgeBounds(TypedDict):
    """What filters take of it."""

    older_than: datetime | None
    younger_than: datetime | None


def add_age_options(parser: ArgumentParser, since: str) -> None:
    """Add the two options; `since` is the participle of what began each thing's age."""
    parser.add_argument(
        "--older-than",
        metavar="WHEN",
        help=f"only those {since} earlier: than an ISO 8601 time (UTC without offset), or than a "
        "duration before now (the database server's time), as in 1d",
    )
    parser.add_argument(
        "--younger-than", metavar="WHEN", help=f"only those not {since} earlier than this"
    )


def parse_age_bounds(session: StoreSession) -> AgeBounds:
    """The times that the two options name. Raises `UsageError`."""
    args, real_time = session.args, session.store.real_time

    def moment(text: str | None) -> datetime | None:
        return None if text is None else parse_time_before(text, real_time)

    return {"older_than": moment(args.older_than), "younger_than": moment(args.younger_than)}


# The triggers as they are configured now, compiled.


def load_triggers(settings: Settings) -> dict[str, TriggerDefinition]:
    """Each by its name, in the order of their file."""
    from winchester_core.bootstrap import trigger_definitions
    from winchester_core.plugins import CONDITIONS, PluginRegistry

    return {each.name: each for each in trigger_definitions(settings, PluginRegistry(CONDITIONS))}


def find_trigger(settings: Settings, name: str) -> TriggerDefinition:
    """The one that a person names. Raises `UsageError`."""
    triggers = load_triggers(settings)
    if name not in triggers:
        hint = suggestion(name, triggers, "there are")
        raise UsageError(f"no trigger is named {name!r}; {hint}")
    return triggers[name]
