"""``winchester clock show|advance|set``: show stream time and set the event clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import Argument, Flag
from winchester_core.cli.output import ObjectShow
from winchester_core.cli.session import StoreSession
from winchester_core.errors import ClockError, ConfigurationError
from winchester_core.inspection.values import iso_text, parse_time, parse_time_after
from winchester_core.service.exit import DONE, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime


class ClockShow(ObjectShow):
    """Show stream time.

    Prints the clock and its current time. The event clock is not set before the first event is
    ingested.
    """

    examples = (
        "winchester clock show -c winchester.yaml",
        "winchester clock show -c winchester.yaml -f value --column time",
    )

    def get_object(self, parsed_args: Namespace) -> dict[str, Any]:
        """Return the kind of the clock and its time."""
        with StoreSession(parsed_args) as session:
            return {"clock": session.settings.clock, "time": iso_text(session.stream_time())}

    def cell(self, name: str, value: Any) -> Any:
        """Return a value; "not set yet" if the clock has no time."""
        return "not set yet" if value is None else super().cell(name, value)


class ClockAdvance(ConfiguredCommand):
    """Advance the event clock.

    Advances it by a duration or to a time; it cannot be set back. Workers then process the streams
    that become due.
    """

    examples = (
        "winchester clock advance -c winchester.yaml 1d",
        "winchester clock advance -c winchester.yaml 2h30m",
        "winchester clock advance -c winchester.yaml 2015-01-21T00:00:00Z",
    )
    arguments = (
        Argument(
            "to DURATION_OR_TIME",
            "a duration (units y mo d h m s us), or an ISO 8601 time (default offset: UTC)",
        ),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Advance the clock and print its time. Raises `ClockError` for an earlier time."""
        with _event_clock_session(parsed_args) as session:
            store = session.store
            now = store.event_clock()
            target = parse_time_after(parsed_args.to, lambda: _require_time(now))
            if now is not None and target < now:
                raise ClockError(
                    f"the event clock is already at {iso_text(now)} and is not set back to "
                    f"{iso_text(target)}; 'winchester clock set --force' does that"
                )
            store.advance_event_clock(target)
            print(iso_text(store.event_clock()))
        return DONE


class ClockSet(ConfiguredCommand):
    """Set the event clock, also to an earlier time.

    Streams that have fired or expired are not changed; open streams wait until the clock reaches
    their times again. Requires --force.
    """

    examples = ("winchester clock set -c winchester.yaml 2015-01-20T00:00:00Z --force",)

    arguments = (
        Argument("time TIME", "ISO 8601 (default offset: UTC)"),
        Flag("--force", "confirm the change"),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Set the clock and print its time. Raises `UsageError` without ``--force``."""
        time = parse_time(parsed_args.time)
        unopened = _event_clock_session(parsed_args)
        if not parsed_args.force:
            raise UsageError(
                "setting the event clock changes when streams fire and expire: "
                "add --force to confirm, or use 'winchester clock advance'"
            )
        with unopened as session:
            session.store.set_event_clock(time)
            print(iso_text(session.store.event_clock()))
        return DONE


def _event_clock_session(args: Namespace) -> StoreSession:
    """Return a session that is not open yet. Raises `ConfigurationError` for other clocks."""
    session = StoreSession(args)
    settings = session.settings
    if settings.clock != "event":
        problem = f"clock: is {settings.clock}, and only the event clock can be set"
        raise ConfigurationError([f"{settings.name}: {problem}; 'clock: event' selects it"])
    return session


def _require_time(now: datetime | None) -> datetime:
    if now is None:
        raise ClockError("the event clock is not set yet: advance it to a time, not by a duration")
    return now
