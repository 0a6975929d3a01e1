"""A worker with an unavailable database reports it, stays alive, and becomes ready again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.databases import temporary_database
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.worker_settings import WorkerSettings


def test_an_outage_is_reported_without_failing_liveness(
    tmp_path: Path, worker_settings: WorkerSettings
) -> None:
    with temporary_database("postgresql", tmp_path) as url:
        direct = make_url(url)
        Site(tmp_path, url).migrate()
        with proxied(direct.port or 5432) as proxy:
            through = direct.set(host="127.0.0.1", port=proxy.port)
            site = Site(tmp_path, through.render_as_string(hide_password=False))
            site.add_settings(worker_settings.yaml())
            with program_group(site) as programs:
                worker = programs.worker("w", "--metrics-listen", "0")
                wait_until(lambda: "worker started" in worker.text())
                wait_until(lambda: worker.ask("/readyz")[0] == 200)
                assert "winchester_store_up 1.0" in worker.ask("/metrics")[1]
                proxy.refuse()
                proxy.cut()
                wait_until(lambda: worker.ask("/readyz")[0] == 503)
                (cause,) = json.loads(worker.ask("/readyz")[1])["causes"]
                assert cause.startswith("database check failed: ")
                wait_until(lambda: "winchester_store_up 0.0" in worker.ask("/metrics")[1])
                assert "winchester_store_streams" not in worker.ask("/metrics")[1]
                wait_until(lambda: "winchester_outages_total 1.0" in worker.ask("/metrics")[1])
                assert worker.ask("/livez")[0] == 200
                proxy.allow()
                wait_until(lambda: worker.ask("/readyz")[0] == 200)
                wait_until(lambda: "winchester_store_up 1.0" in worker.ask("/metrics")[1])
                assert worker.end() == 0
                assert "Traceback" not in worker.text()
