"""A plugin without its optional dependency names the extra to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.scenes.sites import Site

HANDLERS = {
    "atompub": ("httpx", "http-out", "{url: 'https://example.org/'}"),
    "kafka": (
        "confluent_kafka",
        "kafka",
        "{bootstrap_servers: 'localhost:9092', topic: orders}",
    ),
    "nats": ("nats", "nats", "{subject: orders}"),
    "notabene": ("kombu", "rabbitmq", "{exchange: nova, queue_name: monitor.info}"),
    "notify": ("apprise", "notify", "{targets: {a: 'json://localhost'}, body: text}"),
    "webhook": ("httpx", "http-out", "{url: 'https://example.org/'}"),
}


SOURCES = {
    "kafka": (
        "confluent_kafka",
        "kafka",
        "{bootstrap_servers: 'localhost:9092', topics: [orders], group: winchester}",
    ),
    "mqtt": ("paho", "mqtt", "{client_id: ingest, subscriptions: ['plant/#']}"),
    "nats": ("nats", "nats", "{stream: ORDERS, consumer: winchester}"),
    "redis": ("redis", "redis", "{stream: orders, group: winchester}"),
    "rabbitmq": ("kombu", "rabbitmq", "{url: 'amqp://localhost/', queues: [nova]}"),
    "schedule": ("cronsim", "schedule", "{name: nightly, cron: '0 3 * * *', event_type: due}"),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_with_a_missing_extra_is_an_error_naming_it(site: Site, name: str) -> None:
    module, extra, params = HANDLERS[name]
    site.write("pipelines.yaml", f"report: [{{name: {name}, params: {params}}}]\n")
    check_without(site, name, module, extra)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_with_a_missing_extra_is_an_error_naming_it(site: Site, name: str) -> None:
    module, extra, params = SOURCES[name]
    configuration = site.config.read_text().replace("clock: event", "clock: system")
    entry = f"event_sources:\n  main: {{source: {name}, params: {params}}}\n"
    site.write("winchester.yaml", configuration + entry)
    check_without(site, name, module, extra)


def test_a_template_without_its_extra_is_an_error_naming_it(site: Site) -> None:
    params = "{url: 'https://example.org/', body: '[]'}"
    site.write("pipelines.yaml", f"report: [{{name: webhook, params: {params}}}]\n")
    check_without(site, "webhook", "jinja2", "templates", "templates need")


def check_without(site: Site, name: str, module: str, extra: str, needs: str | None = None) -> None:
    """Check that `winchester check` accepts the plugin, but not without its dependency."""
    absent = site.write(
        f"{module}.py", f"raise ModuleNotFoundError('No module named {module}', name='{module}')\n"
    )

    with_it = site.run("winchester", "check", "-c", site.config)
    without = site.run(
        "winchester", "check", "-c", site.config, environ={"PYTHONPATH": str(absent.parent)}
    )

    assert with_it.returncode == 0, with_it.stderr
    assert without.returncode == 2
    wanted = f"{needs or f'{name!r} needs'} {module}: pip install 'winchester-core[{extra}]'"
    assert wanted in without.stderr + without.stdout
