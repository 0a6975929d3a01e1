"""`winchester rejected list|show|retry|discard`: handling of rejected messages."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import task_events
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

DEFINITIONS = """\
- event_type: job.*
  traits:
    host: {fields: payload.host}
"""
JOB = {
    "message_id": "n1",
    "event_type": "job.done",
    "timestamp": "2015-01-20T10:00:00",
    "payload": {"host": "a", "admin_password": "hush"},
}


def _keep(site: Site, *bodies: Any, kind: str = "event", source: str = "queue") -> list[int]:
    """Store messages as rejected; return their ids."""
    raws = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    with site.store() as store:
        store.insert_rejected(
            [
                Rejection(source, kind, "inbox:3: bad", raw, len(raw), hashlib.sha256(raw).digest())
                for raw in raws
            ]
        )
        return [each.id for each in store.find_rejected()][-len(raws) :]


def _listed(winchester: Winchester, site: Site, *arguments: str) -> list[dict[str, Any]]:
    ended = winchester(site, "rejected", "list", *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    listed: list[dict[str, Any]] = json.loads(ended.out)
    return listed


def _acted(
    winchester: Winchester, site: Site, what: str, ids: list[int], *arguments: str
) -> tuple[int, list[tuple[str, str | None]]]:
    """Return the exit status and the result per message."""
    named = [str(each) for each in ids]
    ended = winchester(site, "rejected", what, *named, *arguments, "-f", "json")
    rows = json.loads(ended.out)
    assert [each["id"] for each in rows] == ids
    return ended.status, [(each["outcome"], each["reason"]) for each in rows]


def test_a_listing_shows_everything_but_the_body(winchester: Winchester, ready_site: Site) -> None:
    ready_site.write_events("bad.jsonl", [{"message_id": "m", "token": "hush"}])
    winchester(ready_site, "ingest", "--file", "bad.jsonl")
    (rejected,) = _listed(winchester, ready_site)
    body = b'{"message_id": "m", "token": "hush"}'
    assert rejected.pop("received_at").endswith("+00:00")
    assert rejected == {
        "id": rejected["id"],
        "source": "file",
        "kind": "event",
        "body_length": len(body),
        "digest": hashlib.sha256(body).hexdigest(),
        "reason": "bad.jsonl:1: event_type: is missing",
    }


def test_filters_paging_and_counts(winchester: Winchester, ready_site: Site) -> None:
    ids = _keep(ready_site, *({"n": n} for n in range(45)))
    _keep(ready_site, {"n": 45}, kind="notification", source="other")

    def ids_of(*arguments: str) -> list[int]:
        return [each["id"] for each in _listed(winchester, ready_site, *arguments)]

    assert ids_of("--source", "queue") == ids  # more than are read at a time
    assert ids_of("--kind", "event", "--cursor", str(ids[0]), "--limit", "2") == ids[1:3]
    assert ids_of("--kind", "event", "--order", "newest") == ids[::-1]
    assert ids_of("--order", "newest", "--cursor", str(ids[2])) == ids[1::-1]
    assert ids_of("--older-than", "1h") == []
    assert len(ids_of("--younger-than", "1h")) == 46
    counted = winchester(ready_site, "rejected", "list", "--source", "other", "--count")
    assert counted.out == "1\n"
    for wrong in (("--cursor", "odd"), ("--column", "body"), ("--older-than", "odd")):
        assert winchester(ready_site, "rejected", "list", *wrong).status == 2


def test_secrets_in_a_body_are_masked_unless_raw_is_given(
    winchester: Winchester, ready_site: Site
) -> None:
    whole, broken = _keep(ready_site, JOB, json.dumps(JOB).encode()[:-2])
    for each in (whole, broken):
        for formatter in ("table", "json", "yaml", "csv", "value"):
            shown = winchester(ready_site, "rejected", "show", str(each), "-f", formatter)
            assert shown.status == 0
            assert "hush" not in shown.out
            assert "***" in shown.out
        raw = winchester(ready_site, "rejected", "show", str(each), "--raw", "-f", "json")
        assert '"admin_password": "hush' in json.loads(raw.out)["body"]
    shown = winchester(ready_site, "rejected", "show", str(whole), "-f", "json")
    assert json.loads(shown.out)["body"] == {
        **JOB,
        "payload": {"host": "a", "admin_password": "***"},
    }


def test_reason_length_and_digest_are_shown_with_the_body(
    winchester: Winchester, ready_site: Site
) -> None:
    body = b"no\x1b[31m JSON"
    with ready_site.store() as store:
        store.insert_rejected([Rejection("queue", "event", "too long", body, 5_000_000, b"d" * 32)])
        (kept,) = store.find_rejected()
    shown = json.loads(winchester(ready_site, "rejected", "show", str(kept.id), "-f", "json").out)
    assert (shown["body_length"], shown["body_kept"]) == (5_000_000, len(body))
    assert (shown["digest"], shown["reason"]) == ((b"d" * 32).hex(), "too long")
    table = winchester(ready_site, "rejected", "show", str(kept.id)).out
    assert "no\\x1b[31m JSON" in table
    assert _acted(winchester, ready_site, "retry", [kept.id]) == (
        1,
        [("failed", "only 12 of its 5000000 bytes were stored")],
    )


def test_retry_stores_and_removes_messages_that_are_valid_now(
    winchester: Winchester, ready_site: Site
) -> None:
    begin, _end = task_events("a")
    ids = _keep(ready_site, begin, {**begin, "cores": 5})
    outcome = _acted(winchester, ready_site, "retry", ids)
    assert outcome == (0, [("stored", None), ("duplicate", None)])
    with ready_site.store() as store:
        assert store.find_rejected() == []
        (stream,) = store.find_streams(StreamFilter())
        assert stream.distinguished_by == {"host": "a"}


def test_messages_still_invalid_are_kept_with_their_current_reason(
    winchester: Winchester, ready_site: Site
) -> None:
    ids = _keep(ready_site, {"message_id": "m"})
    status, ((outcome, reason),) = _acted(winchester, ready_site, "retry", ids)
    assert (status, outcome, reason) == (1, "invalid", "event_type: is missing")
    (rejected,) = _listed(winchester, ready_site)
    assert rejected["reason"] == "event_type: is missing"


def test_an_unchanged_reason_keeps_its_position(winchester: Winchester, ready_site: Site) -> None:
    ready_site.write_events("bad.jsonl", [{"message_id": "m"}])
    winchester(ready_site, "ingest", "--file", "bad.jsonl")
    (before,) = _listed(winchester, ready_site)
    _acted(winchester, ready_site, "retry", [before["id"]])
    assert _listed(winchester, ready_site) == [before]


def test_notifications_are_distilled_again_with_the_current_definitions(
    winchester: Winchester, ready_site: Site
) -> None:
    pytest.importorskip("stackdistiller")
    ids = _keep(ready_site, JOB, {**JOB, "event_type": "odd"}, kind="notification")
    refused = winchester(ready_site, "rejected", "retry", *map(str, ids))
    assert refused.status == 1
    assert "no event definitions are configured" in refused.err
    assert len(_listed(winchester, ready_site)) == 2

    ready_site.write("definitions.yaml", DEFINITIONS)
    ready_site.add_settings("distiller_config: definitions.yaml\n")
    status, outcomes = _acted(winchester, ready_site, "retry", ids)
    assert (status, [outcome for outcome, _ in outcomes]) == (0, ["stored", "dropped"])
    with ready_site.store() as store:
        (event,) = store.find_events(EventFilter())
    assert (event["message_id"], event["host"]) == ("n1", "a")
    assert _listed(winchester, ready_site) == []


def test_datetime_traits_are_listed_as_for_ingest(winchester: Winchester, ready_site: Site) -> None:
    ids = _keep(ready_site, {**task_events("a")[0], "launched_at": "2015-01-20T09:00:00Z"})
    _acted(winchester, ready_site, "retry", ids, "--datetime-trait", "launched_at")
    shown = winchester(ready_site, "event", "show", "a-begin", "-f", "json")
    assert json.loads(shown.out)["@datetime_traits"] == "launched_at"


def test_a_mapping_that_the_source_did_not_have_can_be_named(
    winchester: Winchester, ready_site: Site
) -> None:
    ids = _keep(ready_site, {"id": "k1", "type": "door", "at": 1421744400}, kind="notification")
    ready_site.add_settings(
        "mapping_definitions:\n"
        "  doors: {event_type: type, timestamp: {fields: at, type: epoch_seconds}, message_id: id"
        "}\n"
    )
    refused = winchester(ready_site, "rejected", "retry", *map(str, ids), "--mapping", "dors")
    assert refused.status == 2
    assert "unknown mapping 'dors': did you mean 'doors'?" in refused.err
    outcome = _acted(winchester, ready_site, "retry", ids, "--mapping", "doors")
    assert outcome == (0, [("stored", None)])
    shown = winchester(ready_site, "event", "show", "k1", "-f", "json")
    assert json.loads(shown.out)["event_type"] == "door"


def test_discard_deletes_and_reports_unknown_ids(winchester: Winchester, ready_site: Site) -> None:
    first, second = _keep(ready_site, {"n": 1}, {"n": 2})
    status, outcomes = _acted(winchester, ready_site, "discard", [first, 404])
    assert status == 1
    assert outcomes == [
        ("discarded", None),
        ("failed", "no rejected message has the id 404"),
    ]
    assert [each["id"] for each in _listed(winchester, ready_site)] == [second]
