from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from winchester_core.errors import SourceError
from winchester_core.sources.yagi import YagiSource
from winchester_core.sources.yagi.source import read_yagi_conf

if TYPE_CHECKING:
    from pathlib import Path

CONF = """\
[global]
verbose = False
[rabbit_broker]
host = broker ; the second
user = yagi
password = 50%off
port = 5673
vhost = /nova
[consumers]
queues = monitor.info, monitor.error,other
[consumer:monitor.info]
apps = winchester.yagi_handler.WinchesterHandler, yagi.handler.shoebox_handler.ShoeboxHandler
exchange = monitor
exchange_type = direct
routing_key = monitor.*
durable = False
max_messages = 250
[consumer:monitor.error]
apps = winchester.yagi_handler.WinchesterHandler
[consumer:other]
apps = oahu.yagi_handler.OahuHandler
[winchester]
config_file = conf/winchester.yaml
[shoebox]
filename_template=%Y%m%d-[[TIMESTAMP]].json
"""


def write(folder: Path, text: str) -> str:
    path = folder / "yagi.conf"
    path.write_text(text)
    return str(path)


def test_every_relevant_setting_is_read(tmp_path: Path) -> None:
    conf = read_yagi_conf(write(tmp_path, CONF))
    assert conf.broker == {
        "host": "broker",
        "port": 5673,
        "user": "yagi",
        "password": "50%off",
        "virtual_host": "/nova",
    }
    assert conf.queues == [
        {
            "name": "monitor.info",
            "exchange": "monitor",
            "exchange_type": "direct",
            "routing_keys": ["monitor.*"],
            "durable": False,
        },
        {
            "name": "monitor.error",
            "exchange": "",
            "exchange_type": "topic",
            "routing_keys": [],
            "durable": True,
        },
    ]
    assert (conf.max_messages, conf.config_file) == (250, "conf/winchester.yaml")
    assert conf.unused_queues == ("other",)


def test_other_apps_and_queues_are_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        source = YagiSource(path=write(tmp_path, CONF))
    apps, queues = (record.getMessage() for record in caplog.records)
    assert "queue=monitor.info" in apps
    assert "yagi.handler.shoebox_handler.ShoeboxHandler" in apps
    assert "queues=other" in queues
    assert source.params["prefetch"] == 250


def test_the_broker_defaults_to_localhost(tmp_path: Path) -> None:
    text = CONF.replace("[rabbit_broker]", "[another_broker]")
    assert read_yagi_conf(write(tmp_path, text)).broker == {
        "host": "localhost",
        "port": 5672,
        "user": "guest",
        "password": "guest",
        "virtual_host": "/",
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("winchester.yagi_handler.WinchesterHandler", "x.Y", "no queue of .consumers. has"),
        ("[global]", "no section", "line 1: expected .section. or key = value"),
        ("password = 50%off", "password 50%off", "line 6: expected .section. or key = value$"),
    ],
)
def test_an_error_is_reported_with_the_file_name(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    path = write(tmp_path, CONF.replace(old, new))
    with pytest.raises(SourceError, match=rf"yagi\.conf: .*{reason}"):
        read_yagi_conf(path)
    with pytest.raises(SourceError, match=reason):
        YagiSource(path=path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "port = 5673",
            "port = many",
            "[rabbit_broker] port: expected a whole number of 1 to 65535, not 'many'",
        ),
        (
            "port = 5673",
            "port = 70000",
            "[rabbit_broker] port: expected a whole number of 1 to 65535, not 70000",
        ),
        ("host = broker ; the second", "host =", "[rabbit_broker] host: expected text, not ''"),
        ("vhost = /nova", "vhost =", "[rabbit_broker] vhost: expected text, not ''"),
        (
            "durable = False",
            "durable = perhaps",
            (
                "[consumer:monitor.info] durable: expected one of 1, yes, true, on, 0, no, false, "
                "off, not 'perhaps'"
            ),
        ),
        (
            "exchange_type = direct",
            "exchange_type = fan",
            (
                "[consumer:monitor.info] exchange_type: expected one of topic, direct, fanout, "
                "headers, not 'fan'"
            ),
        ),
        (
            "max_messages = 250",
            "max_messages = 0",
            ("[consumer:monitor.info] max_messages: expected a whole number of 1 to 65535, not 0"),
        ),
        (
            "max_messages = 250",
            "max_messages = " + "9" * 5000,
            (
                "[consumer:monitor.info] max_messages: expected a whole number of 1 to 65535, "
                f"not '{'9' * 79}"
            ),
        ),
        (
            "routing_key = monitor.*",
            "routing_key = " + "x" * 256,
            (
                "[consumer:monitor.info] routing_key: expected at most 255 characters, "
                f"not '{'x' * 79}"
            ),
        ),
        (
            "monitor.info",
            "q" * 256,
            f"[consumers] queues: expected at most 255 characters, not '{'q' * 79}",
        ),
    ],
)
def test_an_invalid_value_is_reported_with_file_section_and_key(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    path = write(tmp_path, CONF.replace(old, new))

    with pytest.raises(SourceError) as raised:
        YagiSource(path=path)
    assert str(raised.value) == f"{path}: {reason}"


def test_an_empty_config_file_is_none(tmp_path: Path) -> None:
    text = CONF.replace("conf/winchester.yaml", "")

    assert read_yagi_conf(write(tmp_path, text)).config_file is None


def test_a_path_that_no_file_can_have_is_reported() -> None:
    with pytest.raises(SourceError, match="embedded null"):
        YagiSource(path="yagi\0.conf")
