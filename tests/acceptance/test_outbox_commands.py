"""`winchester outbox list|show|retry|discard`, and effects from handler to endpoint."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, claim_all, ready_to_fire
from support.scenes.sites import task_events
from winchester_core.clock import FixedTime
from winchester_core.model.effect import EffectState, Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.storage.effect_records import EffectFilter, EffectRefused
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

MAIL = Endpoint("report", "mail")
HTTP = Endpoint("report", "http", 1)
LEASE = timedelta(hours=1)
DELIVERY_WORKER = '''\
import json
from pathlib import Path
from voluptuous import Schema
from winchester_core.interfaces import Delivered, PipelineHandler, Refused

class Mail(PipelineHandler):
    """Writes what it delivers to a file; refuses while there is a file named 'closed'."""

    config_schema = Schema({"to": str, "password": str})

    def handle_events(self, events, env):
        env["outbox"].put({"stream": env["stream_name"], "events": len(events), "token": "hush"})
        return events

    def deliver(self, effects):
        if Path("closed").exists():
            return [Refused(f"closed, password={self.params['password']}") for _ in effects]
        with Path(self.params["to"]).open("a") as box:
            for effect in effects:
                box.write(json.dumps([effect.id, effect.attempt, effect.payload["events"]]) + "\\n")
        return [Delivered() for _ in effects]
'''


def stock(site: Site, *payloads: Any, endpoint: Endpoint = MAIL, dead: int = 0) -> list[int]:
    """Complete a stream that queues `payloads`, the first few refused; return the effect ids."""
    with site.store() as store:
        before = store.count_effects()
        ready_to_fire(store, str(uuid.uuid4()))
        (claim,) = claim_all(store)
        queued = [QueuedEffect(str(uuid.uuid4()), endpoint, dump_payload(p)) for p in payloads]
        store.complete([Completion(claim, effects=tuple(queued))], FixedTime(NOON))
        for _ in range(dead):
            (effect,) = store.claim_effects(endpoint, worker="w", limit=1, lease=LEASE)
            store.apply_effect_results([EffectRefused(effect, "no such user")])
        return [each.id for each in store.find_effects()][before:]


def listed(winchester: Winchester, site: Site, *arguments: str) -> list[dict[str, Any]]:
    ended = winchester(site, "outbox", "list", *arguments, "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.out)
    return found


def acted(winchester: Winchester, site: Site, what: str, *arguments: str) -> tuple[int, list[Any]]:
    """Return the exit status and the result per effect."""
    ended = winchester(site, "outbox", what, *arguments, "-f", "json")
    rows = json.loads(ended.out)
    return ended.status, [(each["id"], each["outcome"], each["reason"]) for each in rows]


def test_a_listing_shows_everything_but_the_payload(
    winchester: Winchester, ready_site: Site
) -> None:
    letter, waiting = stock(ready_site, {"a": 1}, {"b": 2}, endpoint=HTTP, dead=1)
    first, second = listed(winchester, ready_site)
    assert {key: first[key] for key in ("id", "state", "pipeline", "handler", "place")} == {
        "id": letter,
        "state": "dead",
        "pipeline": "report",
        "handler": "http",
        "place": 1,
    }
    assert (first["attempts"], first["last_error"]) == (1, "no such user")
    assert (first["due_at"], first["worker"]) == (None, None)
    assert len(first["effect_id"]) == 36
    assert (second["id"], second["state"], second["attempts"]) == (waiting, "pending", 0)
    assert second["due_at"].endswith("+00:00")
    table = winchester(ready_site, "outbox", "list")
    assert "no such user" in table.out
    assert "payload" not in table.out


def test_filters_paging_and_counts(winchester: Winchester, ready_site: Site) -> None:
    mails = stock(ready_site, *range(45), dead=2)
    others = stock(ready_site, 1, endpoint=HTTP)

    def ids_of(*arguments: str) -> list[int]:
        return [each["id"] for each in listed(winchester, ready_site, *arguments)]

    assert ids_of() == mails + others  # more than are read at a time
    assert ids_of("--order", "newest") == [*others, *reversed(mails)]
    assert ids_of("--order", "newest", "--cursor", str(mails[2]), "--limit", "2") == mails[1::-1]
    assert ids_of("--state", "dead") == mails[:2]
    assert ids_of("--state", "dead", "--order", "newest") == mails[1::-1]
    assert ids_of("--handler", "http") == others
    assert ids_of("--pipeline", "report", "--cursor", str(mails[0]), "--limit", "2") == mails[1:3]
    assert ids_of("--pipeline", "other") == []
    stream = listed(winchester, ready_site, "--handler", "http")[0]["stream_id"]
    assert ids_of("--stream", str(stream)) == others
    assert ids_of("--older-than", "1h") == []
    assert len(ids_of("--younger-than", "1h")) == 46
    counted = winchester(ready_site, "outbox", "list", "--state", "pending", "--count")
    assert counted.out == "44\n"
    for wrong in (("--cursor", "odd"), ("--column", "payload"), ("--older-than", "odd")):
        assert winchester(ready_site, "outbox", "list", *wrong).status == 2


def test_secrets_in_a_payload_are_masked_unless_raw_is_given(
    winchester: Winchester, ready_site: Site
) -> None:
    (effect,) = stock(ready_site, {"user": "a", "token": "hush", "at": NOON})
    for formatter in ("table", "json", "yaml", "csv", "value"):
        shown = winchester(ready_site, "outbox", "show", str(effect), "-f", formatter)
        assert shown.status == 0
        assert "hush" not in shown.out
        assert "***" in shown.out
    shown = winchester(ready_site, "outbox", "show", str(effect), "-f", "json")
    assert json.loads(shown.out)["payload"] == {
        "user": "a",
        "token": "***",
        "at": {"datetime": "2024-05-17T12:00:00.000000+00:00"},
    }
    raw = winchester(ready_site, "outbox", "show", str(effect), "--raw", "-f", "json")
    assert '"token":"hush"' in json.loads(raw.out)["payload"]
    unknown = winchester(ready_site, "outbox", "show", "404")
    assert unknown.status == 1
    assert "no effect in the outbox has the id 404" in unknown.err


def test_retry_makes_effects_due_and_reports_blocked_ones(
    winchester: Winchester, ready_site: Site
) -> None:
    letter, first, second = stock(ready_site, 1, 2, 3, dead=1)
    behind = "another effect of the same stream and handler is delivered first"
    assert acted(winchester, ready_site, "retry", str(second), str(letter), str(first)) == (
        0,
        [(second, "waiting", behind), (letter, "due", None), (first, "waiting", behind)],
    )
    assert [each["state"] for each in listed(winchester, ready_site)] == ["pending"] * 3
    assert acted(winchester, ready_site, "retry", "404") == (
        1,
        [(404, "failed", "no effect in the outbox has the id 404")],
    )


def test_all_selects_the_filtered_dead_letters(winchester: Winchester, ready_site: Site) -> None:
    for _ in range(22):  # more than are read at a time
        stock(ready_site, "mail", dead=1)
    (http,) = stock(ready_site, "http", endpoint=HTTP, dead=1)
    assert acted(winchester, ready_site, "retry", "--all", "--older-than", "1h") == (0, [])
    assert acted(winchester, ready_site, "retry", "--all", "--handler", "http") == (
        0,
        [(http, "due", None)],
    )
    status, rows = acted(winchester, ready_site, "retry", "--all")
    assert (status, len(rows), {outcome for _, outcome, _ in rows}) == (0, 22, {"due"})
    assert listed(winchester, ready_site, "--state", "dead") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "specify the ids of effects, or --all for all dead letters"),
        (("7", "--all"), "specify the ids of effects, or --all for all dead letters"),
        (("7", "--older-than", "1d"), "--older-than is a filter for --all"),
    ],
)
def test_retry_requires_ids_or_all(
    winchester: Winchester, ready_site: Site, arguments: tuple[str, ...], message: str
) -> None:
    refused = winchester(ready_site, "outbox", "retry", *arguments)
    assert refused.status == 2
    assert message in refused.err


def test_claimed_effects_are_left_alone(winchester: Winchester, ready_site: Site) -> None:
    (effect,) = stock(ready_site, 1)
    with ready_site.store() as store:
        store.claim_effects(MAIL, worker="w-7", limit=1, lease=LEASE)
    for what in ("retry", "discard"):
        reason = f"effect {effect} is being delivered by the worker w-7"
        assert acted(winchester, ready_site, what, str(effect)) == (1, [(effect, "failed", reason)])
    assert len(listed(winchester, ready_site)) == 1


def test_discard_deletes_and_reports_unknown_ids(winchester: Winchester, ready_site: Site) -> None:
    letter, pending = stock(ready_site, 1, 2, dead=1)
    assert acted(winchester, ready_site, "discard", str(letter), "404") == (
        1,
        [
            (letter, "discarded", None),
            (404, "failed", "no effect in the outbox has the id 404"),
        ],
    )
    assert [each["id"] for each in listed(winchester, ready_site)] == [pending]


def test_an_effect_is_delivered_end_to_end(winchester: Winchester, ready_site: Site) -> None:
    ready_site.install("winchester.handlers", "mail", "Mail", DELIVERY_WORKER)
    ready_site.write(
        "pipelines.yaml",
        "report: [{name: mail, params: {to: box.jsonl, password: swordfish}}]\n",
    )
    ready_site.write_events("events.jsonl", task_events("a"))
    closed = ready_site.write("closed", "")
    ingested = ready_site.run(
        "winchester", "ingest", "-c", ready_site.config, "--file", "events.jsonl"
    )
    assert ingested.returncode == 0, ingested.stderr
    worked = ready_site.run("winchester-worker", "-c", ready_site.config, "--until-idle")
    assert worked.returncode == 0, worked.stderr
    (letter,) = listed(winchester, ready_site, "--state", "dead")
    assert letter["last_error"] == "closed, password=***"
    assert "swordfish" not in worked.stdout + worked.stderr

    closed.unlink()
    status, ((_, outcome, _),) = acted(winchester, ready_site, "retry", "--all")
    assert (status, outcome) == (0, "due")
    worked = ready_site.run("winchester-worker", "-c", ready_site.config, "--until-idle")
    assert worked.returncode == 0, worked.stderr
    (line,) = (ready_site.path / "box.jsonl").read_text().splitlines()
    assert json.loads(line) == [letter["effect_id"], 1, 2]
    with ready_site.store() as store:
        assert store.count_effects(EffectFilter(state=EffectState.DEAD)) == 0
        assert store.count_effects() == 0
