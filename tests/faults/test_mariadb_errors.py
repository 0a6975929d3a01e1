"""Errors that MariaDB, Galera or a proxy sends: every program waits and continues on its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from support.scenes.outage_scene import UNAVAILABLE, names, outage_scene
from support.scenes.sites import wait_until
from support.servers.database_servers import private_server
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.outage_scene import OutageScene
    from support.servers.database_servers import DatabaseServer
    from support.servers.tcp_proxy import Proxy

ERRORS = {
    1045: "access denied",
    1047: "the Galera node is not ready",
    1226: "the user has too many connections",
    1290: "the server is read-only",
    3948: "a number that is not known here",
    9001: "the proxy has no server",
}


@pytest.fixture(scope="module")
def private() -> Iterator[DatabaseServer]:
    with private_server("mariadb") as server:
        yield server


@contextmanager
def empty_scene(server: DatabaseServer, path: Path) -> Iterator[tuple[Proxy, OutageScene]]:
    """Yield programs that use an empty database through a proxy."""
    server.execute("DROP DATABASE winchester")
    server.execute("CREATE DATABASE winchester")
    with (
        proxied(server.port) as proxy,
        outage_scene(path, server.url_through(proxy.port)) as scene,
    ):
        yield proxy, scene


@pytest.mark.parametrize("connecting", [True, False], ids=["connecting", "query"])
def test_programs_wait_for_the_end_of_each_error(
    private: DatabaseServer, connecting: bool, tmp_path: Path
) -> None:
    with empty_scene(private, tmp_path) as (proxy, scene):
        scene.feed(*names("before", 5))
        scene.wait_until_completed()
        for times, number in enumerate(ERRORS, 1):
            hold = scene.site.write("hold", "")
            scene.feed(f"running{number}")
            wait_until(lambda name=f"running{number}": name in scene.hosts_of("handle"))
            proxy.answer_with_mariadb_error(number, connecting=connecting)
            scene.feed(*names(f"meanwhile{number}-", 5))
            hold.unlink()
            scene.wait_until_noticed(times)
            if not connecting:  # else the broken connection was noticed first
                assert all(f"({number}, " in program.text() for program in scene.programs)
            proxy.allow()
            scene.wait_until_completed()
            scene.wait_until_recovered()
        scene.end()


def test_a_worker_that_starts_waits_for_a_server_without_room(
    private: DatabaseServer, tmp_path: Path
) -> None:
    with empty_scene(private, tmp_path) as (proxy, scene):
        proxy.answer_with_mariadb_error(1226, connecting=True)
        late = scene.start_worker("late")
        wait_until(lambda: UNAVAILABLE in late.text())
        proxy.allow()
        wait_until(lambda: "worker started" in late.text())
        assert late.end() == 0
        wait_until(lambda: all("worker started" in each.text() for each in scene.workers))
        scene.feed("after")
        scene.wait_until_completed()
        scene.end()
