"""``winchester trigger reset``: counting anew at triggers that are debugged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import DONE, FAILED
from winchester_core.cli.output import FlatLister, known_columns
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

COLUMNS: Final = ("name", "outcome")
RESET: Final = "reset"
NOTHING: Final = "nothing counted"


class TriggerReset(FlatLister):
    """Forget what was counted at triggers with a debug_level.

    For when a trigger has changed: its debug counts begin anew with the next event. Its streams
    are left alone. A trigger need not be configured any more; where nothing was counted, the exit
    status is 1.
    """

    examples = ("winchester trigger reset -c winchester.yaml usage",)

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the names."""
        parser = super().get_parser(prog_name)
        parser.add_argument("names", metavar="NAME", nargs="+", help="the triggers' names")
        return parser

    def run(self, parsed_args: Namespace) -> int:
        """Forget; return the exit status."""
        self._status = DONE
        super().run(parsed_args)
        return self._status

    def take_action(self, parsed_args: Namespace) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """What became of each."""
        columns = known_columns(parsed_args.columns, COLUMNS) or COLUMNS
        outcomes = []
        with Session(parsed_args) as session:
            for name in dict.fromkeys(parsed_args.names):
                done = session.store.reset_debug_counts(name)
                self._status = self._status if done else FAILED
                outcomes.append({"name": name, "outcome": RESET if done else NOTHING})
        return columns, outcomes
