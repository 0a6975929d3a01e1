"""The prepared site has its four problems, as the commands show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.builders.shop_day import SECRETS, SILENT_HOST

if TYPE_CHECKING:
    from support.scenes.prepared_site import PreparedSite


def test_a_host_is_silent_and_its_next_stream_is_open(prepared_site: PreparedSite) -> None:
    streams = listed(prepared_site, "stream", "--name", "nightly_backup")
    expired = [stream for stream in streams if stream["outcome"] == "expired"]
    assert [stream["distinguished_by"] for stream in expired] == [{"host": SILENT_HOST}]
    assert {"host": SILENT_HOST} in [
        stream["distinguished_by"] for stream in streams if stream["state"] == "active"
    ]


def test_a_handler_fails(prepared_site: PreparedSite) -> None:
    failed = listed(prepared_site, "stream", "--state", "error", "--error", "no exchange rate")
    assert len(failed) >= 3
    assert {stream["name"] for stream in failed} == {"order"}


def test_an_endpoint_is_down(prepared_site: PreparedSite) -> None:
    effects = listed(prepared_site, "outbox")
    assert {effect["state"] for effect in effects} == {"pending", "dead"}
    assert {effect["pipeline"] for effect in effects} == {"alarm"}


def test_a_trigger_never_matches_because_a_trait_is_text(prepared_site: PreparedSite) -> None:
    shown = prepared_site.run("winchester", "trigger", "show", "disk_full", *JSON)
    debug = json.dumps(json.loads(shown.stdout))
    assert "trait 'used_percent' is text, not an int or a float" in debug
    assert listed(prepared_site, "stream", "--name", "disk_full") == []


def test_secrets_of_rejected_messages_are_stored(prepared_site: PreparedSite) -> None:
    with prepared_site.store() as store:
        bodies = b"".join(message.body for message in store.find_rejected())
    assert all(secret.encode() in bodies for secret in SECRETS)


def test_the_copied_database_accepts_new_rows(prepared_site: PreparedSite) -> None:
    event = {"event_type": "note.added", "timestamp": "2026-01-01T00:00:00Z", "message_id": "note"}
    path = prepared_site.write_events("note.jsonl", [event])
    added = prepared_site.run("winchester", "ingest", *CONFIG, "--file", path)
    assert added.returncode == 0, added.stderr


CONFIG = ("-c", "winchester.yaml")
JSON = (*CONFIG, "-f", "json")


def listed(site: PreparedSite, noun: str, *filters: str) -> list[dict[str, Any]]:
    done = site.run("winchester", noun, "list", *JSON, *filters)
    assert done.returncode == 0, done.stderr
    items: list[dict[str, Any]] = json.loads(done.stdout)
    return items
