"""A server that stops, crashes and recovers: every program waits, logs it once, and continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.scenes.outage_scene import UNAVAILABLE, names, outage_scene
from support.scenes.sites import wait_until
from support.servers.database_servers import private_server

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_outage_or_crash_costs_only_time(server: str, tmp_path: Path) -> None:
    with private_server(server) as private, outage_scene(tmp_path, private.url) as scene:
        scene.feed(*names("before", 20))
        scene.wait_until_completed()

        hold = scene.site.write("hold", "")
        scene.feed("running")
        wait_until(lambda: "running" in scene.hosts_of("handle"))
        private.stop()
        hold.unlink()  # its handlers finish while the server is unavailable
        scene.feed(*names("away", 20))
        scene.wait_until_noticed()
        private.start()
        scene.wait_until_completed()

        scene.feed(*names("between", 5))
        private.restart(immediately=True)
        scene.feed(*names("after", 20))
        scene.wait_until_completed()
        scene.wait_until_recovered()
        scene.end()
        for program in scene.programs:
            assert program.text().count(UNAVAILABLE) <= 3, program.text()
