"""``winchester clock show|advance|set``: looking at stream time, and moving the event clock."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import ALL_BUT_DATABASE, load_configuration
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.values import iso_text, parse_time, parse_time_after
from winchester_core.errors import ClockError, ConfigurationError
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from datetime import datetime

    from winchester_core.config import Settings
    from winchester_core.storage.interface import Store


class ClockShow(ObjectShow):
    """Show the clock of stream time.

    Prints which clock drives streams, and its time. The event clock has no time before the first
    event was ingested.
    """

    examples = (
        "winchester clock show -c winchester.yaml",
        "winchester clock show -c winchester.yaml -f value --column time",
    )

    def shown(self, parsed_args: Namespace) -> dict[str, Any]:
        """The kind of the clock and its time."""
        from winchester_core.bootstrap import open_store, stream_clock

        settings = load_configuration(parsed_args, ignores=ALL_BUT_DATABASE)
        with closing(open_store(settings)) as store:
            now = stream_clock(settings, store).now()
        return {"clock": settings.clock, "time": iso_text(now)}

    def cell(self, name: str, value: Any) -> Any:
        """A value, or words where the clock has no time."""
        return "not set yet" if value is None else super().cell(name, value)


class ClockAdvance(ConfiguredCommand):
    """Move the event clock forward.

    By a duration, or to a time; never back. What thereby becomes due is done by the workers.
    """

    examples = (
        "winchester clock advance -c winchester.yaml 1d",
        "winchester clock advance -c winchester.yaml 2h30m",
        "winchester clock advance -c winchester.yaml 2015-01-21T00:00:00Z",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "to",
            metavar="DURATION_OR_TIME",
            help="a duration (units y mo d h m s us), or an ISO 8601 time, UTC without offset",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Move the clock and print its time. Raises `ClockError` rather than going back."""
        from winchester_core.bootstrap import open_store

        settings = _event_clock_settings(parsed_args)
        with closing(open_store(settings)) as store:
            now = store.event_clock()
            wanted = parse_time_after(parsed_args.to, lambda: _require_time(now))
            if now is not None and wanted < now:
                raise ClockError(
                    f"the event clock is at {iso_text(now)} already and does not go back to "
                    f"{iso_text(wanted)}; 'winchester clock set --force' does that"
                )
            store.advance_event_clock(wanted)
            _print_time(store)
        return DONE


class ClockSet(ConfiguredCommand):
    """Set the event clock, backwards too.

    Streams that fired or expired meanwhile stay as they are; those that are open wait for the
    clock to come by again. Hence --force.
    """

    examples = ("winchester clock set -c winchester.yaml 2015-01-20T00:00:00Z --force",)

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the argument and ``--force``."""
        parser = super().get_parser(prog_name)
        parser.add_argument("time", metavar="TIME", help="ISO 8601, UTC without offset")
        parser.add_argument("--force", action="store_true", help="yes, set it")
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Set the clock and print its time. Raises `UsageError` without ``--force``."""
        from winchester_core.bootstrap import open_store

        moment = parse_time(parsed_args.time)
        settings = _event_clock_settings(parsed_args)
        if not parsed_args.force:
            raise UsageError(
                "setting the event clock changes when streams fire and expire: "
                "add --force if that is meant, or use 'winchester clock advance'"
            )
        with closing(open_store(settings)) as store:
            store.set_event_clock(moment)
            _print_time(store)
        return DONE


def _event_clock_settings(parsed_args: Namespace) -> Settings:
    settings = load_configuration(parsed_args, ignores=ALL_BUT_DATABASE)
    if settings.clock != "event":
        problem = f"clock: is {settings.clock}, and only the event clock can be moved"
        raise ConfigurationError([f"{settings.name}: {problem}; 'clock: event' chooses it"])
    return settings


def _require_time(now: datetime | None) -> datetime:
    if now is None:
        raise ClockError("the event clock is not set yet: advance it to a time, not by a duration")
    return now


def _print_time(store: Store) -> None:
    print(iso_text(store.event_clock()))
