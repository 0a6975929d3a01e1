"""`winchester_db`: schema revisions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.sites import Site


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows} - {"alembic_version", "sqlite_sequence"}


def test_upgrade_current_and_downgrade_work(site: Site) -> None:
    site.write("triggers.yaml", "this: is not right yet\n")
    before = site.run("winchester_db", "-c", site.config, "current")
    assert (before.returncode, before.stdout.split()[:3]) == (0, ["no", "tables", "yet"])

    made = site.run("winchester_db", "-c", site.config, "upgrade", "head")
    assert (made.returncode, made.stderr) == (0, "")
    assert "head" in made.stdout
    assert {"events", "streams"} <= _tables(site.path / "events.db")

    gone = site.run("winchester_db", "-c", site.config, "downgrade", "base")
    assert (gone.returncode, gone.stderr) == (0, "")
    assert _tables(site.path / "events.db") == set()


def test_upgrade_sql_prints_sql_and_executes_nothing(site: Site) -> None:
    printed = site.run("winchester_db", "-c", site.config, "upgrade", "--sql", "head")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert not (site.path / "events.db").exists()
    with closing(sqlite3.connect(site.path / "events.db")) as connection:
        connection.executescript(printed.stdout)
    checked = site.run("winchester", "check", "-c", site.config, "--database")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_history_lists_revisions_and_stamp_sets_one(site: Site) -> None:
    history = site.run("winchester_db", "-c", site.config, "history")
    assert history.returncode == 0
    first = history.stdout.splitlines()[-1].split()[0]
    stamped = site.run("winchester_db", "-c", site.config, "stamp", first)
    assert stamped.returncode == 0
    assert stamped.stdout.startswith(first)
    assert _tables(site.path / "events.db") == set()


def test_failures_exit_with_1_and_usage_errors_with_2(site: Site) -> None:
    unknown = site.run("winchester_db", "-c", site.config, "upgrade", "nonsense")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "nonsense" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    for arguments in (["upgrade"], ["-c", site.config], ["-c", "nothing.yaml", "upgrade"]):
        refused = site.run("winchester_db", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Traceback" not in refused.stderr
