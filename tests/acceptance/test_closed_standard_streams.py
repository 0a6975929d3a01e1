"""A program whose standard streams were closed by its parent works as with /dev/null."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import SCRIPTS, task_events
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from support.scenes.sites import Site


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_ingest_and_worker_do_their_work(ready_site: Site, closed: str) -> None:
    def run(program: str, *arguments: str) -> int:
        shell = ("-c", f'exec "$@" {closed}', "sh", str(SCRIPTS / program), *arguments)
        return ready_site.run("/bin/sh", *shell).returncode

    events = [event | {"timestamp": str(event["timestamp"])} for event in task_events("a")]
    file = ready_site.write_events("events.jsonl", events)
    config = ("-c", str(ready_site.config))

    ingested = run("winchester", "ingest", *config, "--format", "event", "--file", str(file))
    worked = run("winchester-worker", *config, "--until-idle")
    shown = run("winchester_db", *config, "current")

    assert (ingested, worked, shown) == (0, 0, 0)
    with ready_site.store() as store:
        assert store.count_events(EventFilter()) == len(events)
        assert store.count_streams(StreamFilter()) == 0
