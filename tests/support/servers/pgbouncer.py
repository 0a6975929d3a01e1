"""A private PgBouncer that pools transactions, in front of a PostgreSQL server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from support.probes.time_limits import BOUND_SECONDS
from support.servers.private_servers import (
    as_unprivileged_user,
    found,
    free_port,
    require_programs,
    unprivileged_user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """\
[databases]
{database} = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
ignore_startup_parameters = {ignored}
"""
POOL_SIZE = 4
"""Fewer connections to the server than clients, so that transactions change connections."""


@contextmanager
def transaction_pooler(url: str, *, ignored_parameters: str = "") -> Iterator[str]:
    """Yield the URL of a database through a new PgBouncer.

    `ignored_parameters` are names of startup parameters that it ignores instead of refusing.
    """
    require_programs(["pgbouncer"])
    direct = make_url(url)
    identity = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="winchester-pgbouncer-") as folder:
        if identity:
            shutil.chown(folder, *identity.values())
        port = free_port()
        configuration = Path(folder) / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(
                database=direct.database,
                host=direct.host,
                port=direct.port or 5432,
                user=direct.username,
                listen_port=port,
                pool_size=POOL_SIZE,
                ignored=ignored_parameters,
            )
        )
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [found("pgbouncer"), configuration],
                stdout=output,
                stderr=output,
                **as_unprivileged_user(identity),
            )
        try:
            pooled = direct.set(host="127.0.0.1", port=port)
            text = pooled.render_as_string(hide_password=False)
            _wait_until_it_responds(text, process, log)
            yield text
        finally:
            process.terminate()
            process.wait(BOUND_SECONDS)


def _wait_until_it_responds(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + BOUND_SECONDS
    try:
        while True:
            try:
                with engine.connect():
                    return
            except SQLAlchemyError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"pgbouncer does not start: {error}\n{log.read_text()[-4000:]}")
                time.sleep(0.05)
    finally:
        engine.dispose()
