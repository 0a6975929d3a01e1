"""A worker delivers effects to web services; refused ones become dead letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from support.scenes.sites import task_events
from support.servers.web_service import http_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.sites import Site
    from support.servers.web_service import Endpoint

PIPELINES = """\
report:
  - name: webhook
    params: {{url: "{hooks}?key=${{HOOK_KEY}}", event_types: "*.end", secret: "${{HOOK_KEY}}"}}
  - name: atompub
    params: {{url: "{feed}", event_types: "*.begin"}}
"""
ENVIRON = {"HOOK_KEY": "s3cret"}


@pytest.fixture
def endpoints() -> Iterator[tuple[Endpoint, Endpoint]]:
    with http_endpoint() as hooks, http_endpoint() as feed:
        yield hooks, feed


def test_a_temporary_refusal_is_retried_and_a_permanent_one_becomes_a_dead_letter(
    ready_site: Site, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    hooks, feed = endpoints
    hooks.answer(503, 204)
    feed.answer(400)
    site = ready_site
    site.write("pipelines.yaml", PIPELINES.format(hooks=hooks.url, feed=feed.url))
    site.add_settings("retry_delay: 0.1\npipeline_worker_delay: 0.1\n")
    events = site.write_events("events.jsonl", task_events("web-1"))
    config = ("-c", site.config)

    taken_in = site.run("winchester", "ingest", *config, "--file", events, environ=ENVIRON)
    worked = site.run("winchester-worker", *config, "--until-idle", environ=ENVIRON)
    dead = site.run("winchester", "outbox", "list", *config, "-f", "json", environ=ENVIRON)

    assert (taken_in.returncode, worked.returncode) == (0, 0), worked.stderr
    assert [request.json["message_id"] for request in hooks.requests] == ["web-1-end"] * 2
    assert len({request.headers["idempotency-key"] for request in hooks.requests}) == 1
    (entry,) = feed.requests
    assert ElementTree.fromstring(entry.body)[0].text == "urn:uuid:web-1-begin"
    (letter,) = json.loads(dead.stdout)
    assert (letter["handler"], letter["state"]) == ("atompub", "dead")
    assert "400" in dead.stdout
    assert "s3cret" not in worked.stdout + worked.stderr + dead.stdout
