"""A PostgreSQL database of another encoding costs the events that it cannot store, no others."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from support.builders.events import LEASE, VM, ingest, make_event
from support.scenes.outbox_operations import claim_effects, queue_effects
from support.scenes.workers import HandlerScript, Scene, ScriptedHandler
from support.servers.databases import temporary_database
from winchester_core.errors import DataRefused
from winchester_core.ingest.decoding import make_rejection
from winchester_core.model.message import Message, MessageKind
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectDelayed, EffectRefused
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def store_in(encoding: str, folder: Path) -> Iterator[SqlStore]:
    with temporary_database("postgresql", folder) as url:
        name = f"{make_url(url).database}_{encoding.lower()}"
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with closing(admin.connect()) as connection:
            connection.exec_driver_sql(
                f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
            other = make_url(url).set(database=name).render_as_string(hide_password=False)
            database = Database(other)
            try:
                DatabaseSchema(database).upgrade()
                yield SqlStore(database)
            finally:
                database.close()
                connection.exec_driver_sql(f"DROP DATABASE {name}")
        admin.dispose()


@pytest.mark.parametrize("text", ["\N{GRINNING FACE}", "e\N{COMBINING ACUTE ACCENT}", "ж"])
def test_a_text_that_the_encoding_lacks_is_refused_as_data(text: str, tmp_path: Path) -> None:
    with store_in("LATIN1", tmp_path) as store:
        with pytest.raises(DataRefused, match="UntranslatableCharacter"):
            ingest(store, VM, make_event("1", instance="i", text=text))
        with pytest.raises(DataRefused, match="UntranslatableCharacter"):
            ingest(store, VM, make_event(text, instance="i"))
        ingest(store, VM, make_event("2", instance="i", text="café"))
        assert store.get_event_by_message_id("2")["text"] == "café"


def test_a_database_without_an_encoding_stores_every_text(tmp_path: Path) -> None:
    with store_in("SQL_ASCII", tmp_path) as store:
        ingest(store, VM, make_event("\N{GRINNING FACE}", instance="i", text="ж"))
        assert store.get_event_by_message_id("\N{GRINNING FACE}")["text"] == "ж"


@pytest.mark.parametrize("phase", ["on_handle", "on_commit"])
def test_errors_of_handlers_are_stored_escaped(
    phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("nicht möglich: ж")

    monkeypatch.setattr(ScriptedHandler, "script", HandlerScript(**{phase: fail}))
    with store_in("LATIN1", tmp_path) as store:
        scene = Scene(store)
        stream_id = scene.complete_stream()
        assert scene.worker().run_once() == 1
        stream = store.get_stream_by_id(stream_id)
        assert r"nicht m\xf6glich: \u0436" in (stream.last_error or "")
        in_commit = phase == "on_commit"
        assert (stream.state == StreamState.COMPLETED) == in_commit


def test_reasons_of_rejected_messages_are_stored_escaped(tmp_path: Path) -> None:
    message = Message(b"{", MessageKind.EVENT)
    with store_in("LATIN1", tmp_path) as store:
        store.insert_rejected([make_rejection("s", message, "ж")])
        (rejected,) = store.find_rejected()
        assert rejected.reason == r"\u0436"
        store.set_rejected_reason(rejected.id, "ü")
        assert store.get_rejected(rejected.id).reason == r"\xfc"


def test_reasons_of_undelivered_effects_are_stored_escaped(tmp_path: Path) -> None:
    with store_in("LATIN1", tmp_path) as store:
        queue_effects(store, a=["1"], b=["2"])
        first, second = claim_effects(store)
        results = [EffectRefused(first, "ж"), EffectDelayed(second, LEASE, "ü")]
        store.apply_effect_results(results)
        assert {each.last_error for each in store.find_effects()} == {r"\u0436", r"\xfc"}
