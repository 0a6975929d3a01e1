"""Pipelines of the older system load unchanged, by its class paths and by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from winchester_core.config import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.config.settings import Settings

OLD_PATHS = {
    "logger": "winchester.pipeline_handler:LoggingHandler",
    "usage": "winchester.pipeline_handler:UsageHandler",
    "notabene": "winchester.pipeline_handler:NotabeneHandler",
    "cloud_feeds": "winchester.pipeline_handler:AtomPubHandler",
}
SAMPLE = """\
fire:
    - logger
    - usage
    - name: notabene
      params:
        host: localhost
        user: guest
        password: guest
        port: 5672
        vhost: /
        library: librabbitmq
        exchange: nova
        exchange_type: topic
        queue_name: monitor.info
        env_keys:
            - usage_notifications
    - name: cloud_feeds
      params:
        url: http://127.0.0.1:9090/nova/events
        event_types:
            - "*.exists.verified"
            - "!*.snapshot.*"
        content_format: cuf_xml
        extra_info:
            data_center: DFW1
            region: DFW
        categories: [stv3]
        title: Server
        auth_user: me
        auth_key: k3y
        auth_server: http://127.0.0.1:9091/v2.0/tokens
        wait_interval: 10
        max_wait: 300
        http_timeout: 60
"""


def loaded(pipelines: Any) -> Settings:
    return load_settings(
        {
            "database": {"url": "sqlite://"},
            "pipeline_handlers": OLD_PATHS,
            "pipeline_config": pipelines,
        }
    )


def test_parameters_of_the_older_systems_handlers_are_accepted() -> None:
    fire = loaded(yaml.safe_load(SAMPLE)).pipelines["fire"]

    assert [each.plugin_name for each in fire] == ["logger", "usage", "notabene", "atompub"]
    assert fire[2].params["library"] == "librabbitmq"
    assert fire[3].params["event_types"] == ["*.exists.verified", "!*.snapshot.*"]
    for entry in fire:
        entry.handler_class(**entry.params)


def test_pipelines_of_the_sandbox_load(shared_data: Path) -> None:
    file = shared_data / "config/stacktach-sandbox/winchester/pipelines.yaml"

    pipelines = loaded(yaml.safe_load(file.read_text())).pipelines

    for entries in pipelines.values():
        assert [each.plugin_name for each in entries] == ["logger", "usage", "notabene"]
