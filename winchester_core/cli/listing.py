"""Stored records: options that select them, and lists of them."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from winchester_core.cli.options import Argument, Flag, id_argument, parse_number, positive_number
from winchester_core.cli.output import FlatLister, ObjectShow, join_lines
from winchester_core.cli.session import StoreSession
from winchester_core.inspection.values import (
    TIME_OR_DURATION,
    TRAIT_FILTER_HELP,
    flat_object,
    parse_traits,
)
from winchester_core.masking import body_text, masked_body
from winchester_core.service.exit import DONE, UsageError
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.paging import pages

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.storage.interface import Store


class Filter(Argument):
    """Option that selects records.

    It sets the `field` of the store's filter (default: the option's name) to its value, after
    `parse` has converted it. It may be `repeated`.
    """

    def __init__(
        self,
        names: str,
        help_text: str,
        parse: Callable[[StoreSession, Any], Any] | None = None,
        *,
        field: str | None = None,
        repeated: bool = False,
        **settings: Any,
    ) -> None:
        self.field = field or names.split(maxsplit=1)[0].removeprefix("--").replace("-", "_")
        settings |= {"action": "append", "default": []} if repeated else {}
        super().__init__(names, help_text, dest=self.field, **settings)
        self._parse = parse

    def is_given(self, args: Namespace) -> bool:
        """Return whether the option is on the command line."""
        return getattr(args, self.field) not in (None, [])

    def value(self, session: StoreSession) -> Any:
        """Return the converted value. Raises `UsageError`."""
        value = getattr(session.args, self.field)
        return value if self._parse is None else self._parse(session, value)


def trait_filter(help_text: str = TRAIT_FILTER_HELP) -> Filter:
    """Return ``--trait``."""
    return Filter(
        "--trait NAME=VALUE",
        help_text,
        lambda _session, texts: parse_traits(texts),
        field="traits",
        repeated=True,
    )


def age_filters(
    phrase: str, clock: str, parse: Callable[[StoreSession, str], Any], prefix: str = ""
) -> tuple[Filter, Filter]:
    """Return ``--older-than`` and ``--younger-than``, with a `prefix` such as "last-event-".

    `phrase` is the help text of the first, such as "only if {}recorded earlier"; "not " in place of
    "{}" gives that of the second. `clock` is the name of the clock for durations; `parse` reads it.
    """
    earlier = f"{phrase.format('')} than this: {TIME_OR_DURATION} ({clock}), such as 1d"
    return (
        Filter(f"--{prefix}older-than WHEN", earlier, parse),
        Filter(f"--{prefix}younger-than WHEN", f"{phrase.format('not ')} than this", parse),
    )


def recorded_filters(participle: str) -> tuple[Filter, Filter]:
    """Return the filters by the database server's time. `participle` is a word like "recorded"."""
    phrase = f"only if {{}}{participle} earlier"
    return age_filters(phrase, "the database server's time", StoreSession.parse_real_time)


@dataclass(frozen=True, slots=True)
class Records:
    """A kind of stored records: its methods of the store, its filter and its columns.

    `plural` is the noun in the names of the methods (find_streams, count_streams). `paths` are
    arguments of `flat_object`. `page_size` is the number of records to read at a time (default: the
    session's page size).
    """

    plural: str
    filter_type: Callable[..., Any]
    paths: str
    page_size: int | None = None

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [path.rpartition(".")[2] for path in self.paths.split()]

    def flat(self, record: Any) -> dict[str, Any]:
        """Return a record as a flat object with the keys in `columns`."""
        return flat_object(record, self.paths)

    def selection(self, session: StoreSession, filters: Sequence[Filter], **fixed: Any) -> Any:
        """Return the store's filter with the given options and the `fixed` fields."""
        given = {each.field: each.value(session) for each in filters if each.is_given(session.args)}
        return self.filter_type(**{**fixed, **given})

    def count(self, session: StoreSession, selection: Any) -> int:
        """Return the number of records that match."""
        number: int = getattr(session.store, f"count_{self.plural}")(selection)
        return number

    def pages(
        self, session: StoreSession, selection: Any, cursor: int | None = None
    ) -> Iterator[list[Any]]:
        """Yield the records that match, by id, in the chosen order, in pages."""
        find = partial(getattr(session.store, f"find_{self.plural}"), order=list_order(session))
        limit = getattr(session.args, "limit", None)
        return pages(find, selection, cursor, size=self.page_size, limit=limit)


def list_order(session: StoreSession) -> ListOrder:
    """Return the value of ``--order``; oldest first if the command or the user has none."""
    return ListOrder(getattr(session.args, "order", None) or ListOrder.OLDEST)


class PagedLister(FlatLister):
    """Command that lists stored records: ``--order``, ``--cursor``, ``--limit`` and ``--count``.

    All formats except the table print rows while reading, so a long list needs little memory.
    """

    records: Records
    filters: tuple[Filter, ...] = ()
    further_columns: tuple[str, ...] = ()
    """Columns that are shown only with ``--column``."""
    arguments: tuple[Argument, ...] = (
        Argument(
            "--order",
            "list the oldest or the newest first, by the order of storing (default: oldest)",
            choices=[order.value for order in ListOrder],
        ),
        Argument("--cursor ID", "start after the object that has this id"),
        Argument("--limit N", "list at most N (default: all)", type=positive_number),
        Flag("--count", "print only the number of objects; not with options of order and paging"),
    )
    paging_options: tuple[str, ...] = ("--order", "--cursor", "--limit")
    """Options that ``--count`` excludes."""

    def run(self, parsed_args: Namespace) -> int:
        """Print the list or the count; return the exit status."""
        if not parsed_args.count:
            return super().run(parsed_args)
        for option in self.paging_options:
            if getattr(parsed_args, option.removeprefix("--").replace("-", "_")) not in (
                None,
                False,
            ):
                raise UsageError(f"--count cannot be combined with {option}")
        with StoreSession(parsed_args) as session:
            number = self.records.count(session, self.records.selection(session, self.filters))
            print(number, file=self.app.stdout)
        return DONE

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the columns of the records."""
        available = self.records.columns
        return [each for each in available if each not in self.further_columns], available

    def objects(self, parsed_args: Namespace) -> Iterator[dict[str, Any]]:
        """Yield the records after ``--cursor``, at most ``--limit``."""
        with StoreSession(parsed_args) as session:
            for page in self.pages(session, self.records.selection(session, self.filters)):
                for record in page:
                    yield self.row(session, record)

    def pages(self, session: StoreSession, selection: Any) -> Iterator[list[Any]]:
        """Yield the records in pages."""
        return self.records.pages(session, selection, _id_cursor(session.args.cursor))

    def row(self, session: StoreSession, record: Any) -> dict[str, Any]:
        """Return a record as a flat object."""
        del session
        return self.records.flat(record)


def document_arguments(noun: str, document: str) -> tuple[Argument, ...]:
    """Return the arguments of a `DocumentShow`."""
    raw = Flag("--raw", f"show the {document} as text, with its secrets")
    return (id_argument(noun), raw)


class DocumentShow(ObjectShow):
    """Command that shows one stored record with its document: JSON, or text with many lines."""

    document_key = ""

    @abstractmethod
    def read(self, store: Store, record_id: int) -> tuple[dict[str, Any], bytes]:
        """Return the record as a flat object, and its document."""

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the record with its document; without ``--raw``, secrets are masked."""
        with StoreSession(parsed_args) as session:
            shown, body = self.read(session.store, parsed_args.id)
        return {**shown, self.document_key: (body_text if parsed_args.raw else masked_body)(body)}

    def cell(self, name: str, value: Any) -> Any:
        """Return a value, the document as several lines."""
        if name != self.document_key:
            return super().cell(name, value)
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        return join_lines(text.splitlines())


def _id_cursor(text: str | None) -> int | None:
    try:
        return None if text is None else parse_number(text)
    except ValueError as error:
        raise UsageError(f"--cursor {text}: an id {error}") from None
