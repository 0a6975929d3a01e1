"""Failover to a new primary: programs follow it without a restart, and lose and repeat nothing."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from support.scenes.outage_scene import OutageScene, names, outage_scene
from support.scenes.sites import wait_until
from support.servers.database_servers import PostgresqlServer, private_server, private_standby
from support.servers.tcp_proxy import proxied
from winchester_core.errors import DatabaseUnavailable
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers.database_servers import PostgresqlStandby
    from support.servers.databases import Databases
    from support.servers.tcp_proxy import Proxy

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


class Cluster:
    """A primary, and a standby to which it replicates synchronously."""

    def __init__(self, primary: PostgresqlServer, standby: PostgresqlStandby) -> None:
        self.primary = primary
        self.standby = standby

    def lose_primary(self) -> None:
        """Let the primary crash, and promote the standby."""
        self.primary.stop(immediately=True)
        self.standby.promote()

    def replace_primary(self) -> None:
        """Make the primary read-only, and promote the standby. Both keep running."""
        self.primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        self.primary.execute("SELECT pg_reload_conf()")
        self.standby.wait_until_replayed()
        self.standby.promote()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with private_server("postgresql") as server:
        primary = cast("PostgresqlServer", server)
        with private_standby(primary) as standby:
            yield Cluster(primary, standby)


@contextmanager
def scene_through(proxy: Proxy, cluster: Cluster, path: Path) -> Iterator[OutageScene]:
    with outage_scene(path, cluster.primary.url_through(proxy.port)) as scene:
        yield scene


def run_through(scene: OutageScene, fail_over: Callable[[], None]) -> None:
    """Feed the scene before, during and after a failover that interrupts a run."""
    scene.feed(*names("before", 20))
    scene.wait_until_completed()
    hold = scene.site.write("hold", "")
    scene.feed("running")
    wait_until(lambda: "running" in scene.hosts_of("handle"))
    scene.feed(*names("waiting", 20))
    fail_over()
    scene.feed(*names("meanwhile", 20))
    hold.unlink()
    scene.wait_until_completed()
    scene.feed(*names("after", 20))
    scene.wait_until_completed()
    scene.wait_until_recovered()
    scene.end()


def test_programs_follow_a_proxy_to_the_new_primary(cluster: Cluster, tmp_path: Path) -> None:
    with proxied(cluster.primary.port) as proxy, scene_through(proxy, cluster, tmp_path) as scene:

        def fail_over() -> None:
            cluster.lose_primary()
            scene.feed(*names("away", 5))
            scene.wait_until_noticed(programs=[scene.ingester])
            proxy.switch_to(cluster.standby.port)

        run_through(scene, fail_over)


def test_an_outage_longer_than_a_lease_marks_no_stream(cluster: Cluster, tmp_path: Path) -> None:
    expired = text("SELECT count(*) FROM streams WHERE lease_until < clock_timestamp()")
    standby = create_engine(cluster.standby.url)
    with (
        proxied(cluster.primary.port) as proxy,
        outage_scene(tmp_path, cluster.primary.url_through(proxy.port), lease_seconds=20) as scene,
    ):

        def fail_over() -> None:
            cluster.lose_primary()
            with standby.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                wait_until(lambda: connection.execute(expired).scalar_one() > 0)
            proxy.switch_to(cluster.standby.port)

        run_through(scene, fail_over)
    standby.dispose()


def test_programs_leave_an_old_primary_that_is_read_only(cluster: Cluster, tmp_path: Path) -> None:
    with proxied(cluster.primary.port) as proxy, scene_through(proxy, cluster, tmp_path) as scene:

        def fail_over() -> None:
            cluster.replace_primary()
            proxy.switch_to(cluster.standby.port)

        run_through(scene, fail_over)


def test_idle_workers_and_their_listeners_leave_an_old_primary_that_is_read_only(
    cluster: Cluster, tmp_path: Path
) -> None:
    listeners = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'winchester'"
        " AND (query LIKE 'LISTEN%' OR query LIKE 'SHOW transaction%')"
    )
    with proxied(cluster.primary.port) as proxy, scene_through(proxy, cluster, tmp_path) as scene:
        scene.feed("before")
        scene.wait_until_completed()
        cluster.replace_primary()
        proxy.switch_to(cluster.standby.port)  # nothing is ingested: workers only read
        wait_until(lambda: cluster.standby.execute(listeners) >= [(2,)])
        scene.feed("after")
        scene.wait_until_completed()
        scene.end()


def test_programs_choose_the_host_of_the_url_that_writes(cluster: Cluster, tmp_path: Path) -> None:
    hosts = [f"127.0.0.1:{port}" for port in (cluster.standby.port, cluster.primary.port)]
    url = make_url(cluster.primary.url).set(host=None, port=None)
    url = url.update_query_dict({"host": hosts, "target_session_attrs": "read-write"})
    with ExitStack() as stack:
        rendered = url.render_as_string(hide_password=False)
        scene = stack.enter_context(outage_scene(tmp_path, rendered))
        run_through(scene, cluster.lose_primary)


def test_a_name_that_moves_to_another_address_is_resolved_again(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = ["127.0.0.1"]
    resolve = socket.getaddrinfo

    def moved(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve(address[0] if host == "database.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", moved)
    server_url = databases.emptied("mariadb").engine.url
    with (
        proxied(server_url.port or 3306) as old,
        proxied(server_url.port or 3306, ("127.0.0.2", old.port)),
    ):
        url = server_url.set(host="database.test", port=old.port)
        store = SqlStore(Database(url.render_as_string(hide_password=False)))
        store.set_event_clock(NOON)
        old.refuse()
        old.cut()
        address[0] = "127.0.0.2"
        with suppress(DatabaseUnavailable):  # the first use finds the connection cut
            store.event_clock()
        assert store.event_clock() == NOON
        store.close()
