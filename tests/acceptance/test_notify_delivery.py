"""A worker sends messages to people; a target that fails does not hold the others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import end, task_events, wait_until
from support.servers.mail_server import mail_server
from support.servers.web_service import http_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.sites import Site
    from support.servers.mail_server import MailServer
    from support.servers.web_service import Endpoint

CANARY = "c4n4ryS3cr3t"
PIPELINES = """\
report:
  - name: notify
    params:
      targets: {failing: "${FAILING_URL}", mail: "${MAIL_URL}"}
      title: "{{ stream.name }}"
      body: |
        {{ first.timestamp | isoformat }} {{ stream_url }}
"""


@pytest.fixture
def servers() -> Iterator[tuple[Endpoint, MailServer]]:
    with http_endpoint() as hooks, mail_server() as mail:
        yield hooks, mail


def test_a_failing_target_does_not_hold_the_others(
    ready_site: Site,
    servers: tuple[Endpoint, MailServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hooks, mail = servers
    hooks.answer(500)
    site = ready_site
    site.write("pipelines.yaml", PIPELINES)
    site.add_settings("console: {public_url: 'https://console.example.org/w'}\n")
    site.add_settings("retry_delay: 3600\npipeline_worker_delay: 0.1\n")
    environ = {
        "FAILING_URL": hooks.url.replace("http://", "json://") + CANARY,
        "MAIL_URL": f"mailto://127.0.0.1:{mail.port}?from=w@example.org&to=oncall@example.org"
        f"&user=winchester&pass={CANARY}",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    events = site.write_events("events.jsonl", task_events("web-1"))
    config = ("-c", site.config)

    checked = site.run("winchester", "check", *config)
    taken_in = site.run("winchester", "ingest", *config, "--file", events)
    worker = site.start("winchester-worker", *config)
    try:
        wait_until(lambda: mail.messages and hooks.requests)
    finally:
        output = end(worker)
    listed = site.run("winchester", "outbox", "list", *config, "-f", "json")
    filtered = site.run("winchester", "outbox", "list", *config, "--handler", "notify:mail")

    assert (checked.returncode, taken_in.returncode) == (0, 0), checked.stderr + taken_in.stderr
    (message,) = mail.messages
    assert "https://console.example.org/w/streams/1" in message.get_content()
    (effect,) = json.loads(listed.stdout)
    assert (effect["handler"], effect["state"]) == ("notify:failing", "pending")
    assert filtered.returncode == 0
    shown = site.run("winchester", "outbox", "show", *config, "--raw", str(effect["id"]))
    assert "error=500" in shown.stdout
    for run in (checked, taken_in, listed, filtered, shown):
        assert CANARY not in run.stdout + run.stderr
    assert CANARY not in "".join(output)
