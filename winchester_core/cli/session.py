"""The store that a command looks at or mends, open while the command runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from winchester_core.cli.failure import UsageError
from winchester_core.cli.moments import read_moment_ago
from winchester_core.cli.options import ALL_BUT_DATABASE, load_configuration

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from winchester_core.config import Part
    from winchester_core.storage.interface import Store

PAGE = 1000
"""How many rows are read from the database at a time."""


class Numbered(Protocol):
    """What has an id that counts up."""

    @property
    def id(self) -> int:
        """The id."""


Item = TypeVar("Item", bound=Numbered)


class Session:
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
        return None if text is None else read_moment_ago(text, self.now)

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
        """How many to read next, at most `largest` (`PAGE`), until a ``--limit`` is reached."""
        left, largest = getattr(self.args, "limit", None), largest or PAGE
        while left is None or left > 0:
            size = largest if left is None else min(largest, left)
            yield size
            left = None if left is None else left - size
