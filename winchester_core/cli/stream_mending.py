"""``winchester stream reset|purge``: making streams ready again, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.cli.acting import ActOnEach
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import Namespace


class StreamReset(ActOnEach[Session]):
    """Make streams in error ready again.

    Each gets all its attempts anew, and the next worker takes it up. The outcome is its new
    state, retry_fire or retry_expire. A stream that is not in error is left as it is; the exit
    status is then 1.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        (
            "winchester stream list -c winchester.yaml --state error -f value --column id "
            "| xargs winchester stream reset -c winchester.yaml"
        ),
    )
    what = "the streams"

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        return Session(parsed_args)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Reset one stream."""
        return tool.store.reset_stream(each_id).value, None


class StreamPurge(ActOnEach[Session]):
    """Remove streams.

    A stream is removed with its links to events, whatever its state; the events stay. One that a
    worker has in hand is left as it is; the exit status is then 1.
    """

    examples = (
        "winchester stream purge -c winchester.yaml 12 13",
        (
            "winchester stream list -c winchester.yaml --state completed -f value --column id "
            "| xargs winchester stream purge -c winchester.yaml"
        ),
    )
    what = "the streams"

    def tool(self, parsed_args: Namespace) -> Session:
        """The store."""
        return Session(parsed_args)

    def act(self, tool: Session, each_id: int, parsed_args: Namespace) -> tuple[str, None]:
        """Purge one stream."""
        tool.store.purge_stream(each_id)
        return "purged", None
