"""``winchester stream reset|discard|purge``: making streams ready again, and removing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.cli.acting import ActOnEach
from winchester_core.cli.error_mending import MendErrors
from winchester_core.cli.session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import StreamVersion

DISCARDED: Final = "discarded"


class StreamReset(MendErrors):
    """Make streams in error ready again.

    Each gets all its attempts anew, and the next worker takes it up. The outcome is its new
    state, retry_fire or retry_expire. A stream that is not in error is left as it is; the exit
    status is then 1.

    --all means every stream in error, or those that the filters leave: 'winchester stream list'
    shows them by the same filters, and --dry-run says what would become of each. A stream that
    has changed since it was read is passed over. How many were reset is told on standard error.
    """

    examples = (
        "winchester stream reset -c winchester.yaml 12 13",
        'winchester stream reset -c winchester.yaml --all --error "disk is full" --dry-run',
        "winchester stream reset -c winchester.yaml --all --name usage --younger-than 12h",
    )
    done = "reset"

    def foresee(self, stream: StreamRecord) -> str:
        """The state that it will be in."""
        return self.states(stream).retry.value

    def mend(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Reset them."""
        states = store.reset_streams(versions)
        return {stream_id: state.value for stream_id, state in states.items()}


class StreamDiscard(MendErrors):
    """Remove streams in error.

    They are removed for good with their links to events; the events stay. A stream that is not in
    error is left as it is, and the exit status is then 1; 'winchester stream purge' removes those.

    --all means every stream in error, or those that the filters leave: 'winchester stream list'
    shows them by the same filters, and --dry-run lists them. A stream that has changed since it
    was read is passed over. How many were discarded is told on standard error.
    """

    examples = (
        "winchester stream discard -c winchester.yaml 12 13",
        "winchester stream discard -c winchester.yaml --all --older-than 30d --dry-run",
        "winchester stream discard -c winchester.yaml --all --state expire_error --name usage",
    )
    done = DISCARDED

    def foresee(self, stream: StreamRecord) -> str:
        """That it will be gone."""
        del stream
        return DISCARDED

    def mend(self, store: Store, versions: Sequence[StreamVersion]) -> Mapping[int, str]:
        """Discard them."""
        return dict.fromkeys(store.discard_streams(versions), DISCARDED)


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
