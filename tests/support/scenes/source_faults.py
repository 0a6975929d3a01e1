"""An event source and the ingester with all faults combined: nothing lost, nothing stored twice.

`run_with_faults` publishes notifications by an independent client. Meanwhile the ingester is killed
five times, before and after commits, its connections are cut ten times, the database is made
unavailable, the broker is restarted, and a second ingester is started.

WINCHESTER_TEST_SOURCE_MESSAGES sets the number of messages.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.engine import make_url

from support.scenes.background_publisher import BackgroundPublisher, OpenPublisher
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.databases import temporary_database
from support.servers.tcp_proxy import Proxy, proxied
from winchester_core.bootstrap import open_store
from winchester_core.failpoints import Failpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from winchester_core.storage.sql.store import SqlStore

NUMBER = int(os.environ.get("WINCHESTER_TEST_SOURCE_MESSAGES", "2000"))
PROGRAM = Path(__file__).parent / "failpoint_program.py"

KILLS = (
    Failpoint.RECEIVED,
    Failpoint.INGEST_COMMITTED,
    Failpoint.BEFORE_INGEST_COMMIT,
    Failpoint.RECEIVED,
    Failpoint.INGEST_COMMITTED,
)
KILLED_BATCH = "3"
"""The ingester kills itself in this batch after its start."""
CUTS = 10
STAGES = len(KILLS) + CUTS + 2
BATCH_SIZE = 20
DATABASE_OUTAGE = "resource unavailable, retrying: resource='database'"

SETTINGS = """\
catch_all_notifications: true
distiller_config: []
statistics_period: 1
event_sources: {sources}
"""


class Connections(Protocol):
    """Connections that can be cut, such as those of a `Proxy`."""

    @property
    def connections(self) -> int:
        """The number of connections."""

    def cut(self) -> int:
        """Cut all connections; return their number."""


@dataclass(frozen=True)
class Origin:
    """The origin of the messages of one event source, and how an independent client uses it.

    `entries` has an entry of `event_sources` for each ingester; one for the second ingester is
    omitted if the source cannot have two. The ingester's connections, or those of its senders,
    run through `proxy`, where they are cut. A connection must exist whenever an ingester runs.

    `unsettled` returns the number of messages that the broker keeps: waiting for an ingester, or
    delivered and not acknowledged. None if the broker does not tell it. `restart` restarts a
    private broker; its messages stay.

    If `keeps_messages` is false, senders wait for the ingester's reply instead: a message is
    published when it has been acknowledged.
    """

    proxy: Connections
    entries: Sequence[Mapping[str, Any]]
    open_publisher: OpenPublisher
    unsettled: Callable[[], int] | None = None
    restart: Callable[[], None] | None = None
    keeps_messages: bool = True


class Scene:
    """An origin, a database behind a proxy, a publisher, and ingesters."""

    def __init__(
        self,
        origin: Origin,
        database_proxy: Proxy,
        publisher: BackgroundPublisher,
        configurations: Sequence[Path],
        programs: ProgramGroup,
        store: SqlStore,
    ) -> None:
        self.origin, self.publisher = origin, publisher
        self.database_proxy, self.store = database_proxy, store
        self._configurations, self._programs = configurations, programs

    def ingesters(self) -> list[RunningProgram]:
        """Start an ingester for each configuration."""
        return [
            self._programs.start(f"ingester-{number}", "winchester", "ingest", "-c", configuration)
            for number, configuration in enumerate(self._configurations, 1)
        ]

    def self_killing_ingester(self, point: Failpoint) -> RunningProgram:
        """Start an ingester that kills itself when it reaches a failpoint for the third time."""
        command = [str(PROGRAM), point, KILLED_BATCH, "ingest", "-c", str(self._configurations[0])]
        return self._programs.start("self-killing-ingester", sys.executable, *command)

    def stored(self) -> int:
        """Return the number of stored events."""
        return self.store.count_events()

    def publish(self, number: int) -> None:
        """Publish this many more, and wait until one event more is stored."""
        before = self.stored()
        self.publisher.publish(number)
        wait_until(lambda: self.stored() > before)

    def cut(self) -> None:
        """Cut the connections of the ingesters to the broker, once they have one."""
        wait_until(lambda: self.origin.proxy.cut() > 0)


def run_with_faults(origin: Origin, folder: Path, number: int = NUMBER) -> None:
    """Assert that all messages are stored once, and none is acknowledged before its commit.

    `folder` is for the configuration and logs. Needs PostgreSQL.
    """
    with ExitStack() as stack:
        scene = _make_scene(origin, folder, stack)
        _run(scene, number)


def _make_scene(origin: Origin, folder: Path, stack: ExitStack) -> Scene:
    url = make_url(stack.enter_context(temporary_database("postgresql", folder)))
    database_proxy = stack.enter_context(proxied(url.port or 5432))
    through = url.set(host="127.0.0.1", port=database_proxy.port)
    site = Site(folder, through.render_as_string(hide_password=False))
    base = site.config.read_text()
    configurations = []
    for number, entry in enumerate(origin.entries, 1):
        sources = json.dumps({"tested": {"batch_size": BATCH_SIZE, **entry}})
        text = base + SETTINGS.format(sources=sources)
        configurations.append(site.write(f"winchester-{number}.yaml", text))
    site.migrate()
    direct = {"database": {"url": url.render_as_string(hide_password=False)}}
    store = stack.enter_context(closing(open_store(direct)))
    programs = stack.enter_context(program_group(site))
    publisher = stack.enter_context(closing(BackgroundPublisher(origin.open_publisher)))
    return Scene(origin, database_proxy, publisher, configurations, programs, store)


def _run(scene: Scene, number: int) -> None:
    a_stage = number // STAGES
    for point in KILLS:
        ingester = scene.self_killing_ingester(point)
        scene.publisher.publish(a_stage)
        assert ingester.wait() == -9, ingester.text()
        check_acknowledgements(scene, point)
    ingesters = scene.ingesters()
    for _ in range(CUTS):
        scene.publish(a_stage // 2)
        scene.cut()
        scene.publish(a_stage - a_stage // 2)
    scene.publish(a_stage // 2)
    cut_database(scene, ingesters, a_stage - a_stage // 2)
    last = number - a_stage * (STAGES - 1)
    scene.publish(last // 2)
    if scene.origin.restart is not None:
        scene.origin.restart()
    scene.publish(last - last // 2)
    scene.publisher.wait()
    wait_until(lambda: scene.stored() >= number)
    unsettled = scene.origin.unsettled
    if unsettled is not None:  # copies that were delivered again are settled, too
        wait_until(lambda: unsettled() == 0)
    for ingester in ingesters:
        assert ingester.end() == 0, ingester.text()
    assert unsettled is None or unsettled() == 0
    assert scene.store.count_rejected() == 0
    assert len(set(scene.publisher.published)) == number == scene.stored()


def check_acknowledgements(scene: Scene, point: Failpoint) -> None:
    """Assert after a kill that all acknowledged messages are stored.

    If the ingester has died between commit and acknowledgement, some stored messages are not
    acknowledged.
    """
    origin, publisher = scene.origin, scene.publisher
    if not origin.keeps_messages:
        assert scene.stored() >= len(publisher.published)
        return
    publisher.wait()
    if origin.unsettled is None:
        return
    kept = scene.stored() + origin.unsettled()
    published = len(publisher.published)
    if point is Failpoint.INGEST_COMMITTED:
        assert kept > published
    else:
        assert kept >= published


def cut_database(scene: Scene, ingesters: Sequence[RunningProgram], number: int) -> None:
    """Make the database unavailable while ingesters hold messages and lose their connections."""

    def outages() -> int:
        return sum(ingester.text().count(DATABASE_OUTAGE) for ingester in ingesters)

    # a source may connect again only after its messages are stored
    wait_until(lambda: scene.origin.proxy.connections > 0)
    reported = outages()
    scene.database_proxy.refuse()
    scene.database_proxy.cut()
    scene.publisher.publish(number)
    wait_until(lambda: outages() > reported)
    stored = scene.stored()
    scene.cut()
    assert scene.stored() == stored
    scene.database_proxy.allow()
