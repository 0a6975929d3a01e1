"""Log destinations follow the settings."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from winchester_core.config import configure_logging
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import ConfigDir

NAMED = ("winchester_core", "winchester_handlers", "sqlalchemy.engine", "acme")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the root logger, where pytest has handlers of its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name in NAMED:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_records_go_to_standard_error_in_utc(
    config: ConfigDir, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(config.settings("log_level: warning"), "worker")

    logging.getLogger("acme").warning("seen %d", 5)
    logging.getLogger("acme").info("not seen")

    err = capsys.readouterr().err
    assert err.endswith("Z WARNING acme: seen 5\n")
    assert err.count("\n") == 1


def test_the_log_file_is_named_after_the_program_with_private_permissions(
    config: ConfigDir,
) -> None:
    old_mask = os.umask(0)
    try:
        path = config.path / "w-%(proc_name)s.log"
        configure_logging(config.settings(f"log_file: {path}\nlog_level: debug"), "pipeline")
    finally:
        os.umask(old_mask)

    logging.getLogger("acme").debug("ü")

    written = config.path / "w-pipeline.log"
    assert written.read_text(encoding="utf-8").endswith("Z DEBUG acme: ü\n")
    assert stat.S_IMODE(written.stat().st_mode) == 0o640


def test_a_rotated_log_file_is_reopened(config: ConfigDir) -> None:
    path = config.path / "w.log"
    configure_logging(config.settings(f"log_file: {path}"), "worker")
    logging.getLogger("acme").info("first")

    path.rename(config.path / "w.log.1")
    logging.getLogger("acme").info("second")

    assert "first" in (config.path / "w.log.1").read_text()
    assert "second" in path.read_text()


def test_reconfiguring_replaces_the_handlers(config: ConfigDir) -> None:
    for name in ("one", "two"):
        path = config.path / f"{name}.log"
        configure_logging(config.settings(f"log_file: {path}"), "worker")
    logging.getLogger("acme").info("hello")

    assert (config.path / "one.log").read_text() == ""
    assert "hello" in (config.path / "two.log").read_text()


def test_an_unwritable_log_file_is_a_configuration_error(config: ConfigDir) -> None:
    path = config.path / "nowhere" / "w.log"

    with pytest.raises(ConfigurationError) as caught:
        configure_logging(config.settings(f"log_file: {path}"), "worker")

    assert caught.value.problems == (
        f"{path}: log_file cannot be opened: No such file or directory",
    )


LOGGING_CONF = """\
[loggers]
keys = root, acme
[handlers]
keys = stderr, file
[formatters]
keys = short
[logger_root]
level = ERROR
handlers = stderr
[logger_acme]
level = INFO
handlers = file
qualname = acme
[handler_stderr]
class = StreamHandler
args = (sys.stderr,)
formatter = short
[handler_file]
class = FileHandler
args = ('{path}/%(proc_name)s.log',)
formatter = short
[formatter_short]
format = %(name)s says %(message)s
"""


def test_a_logging_config_overrides_all_other_log_settings(
    config: ConfigDir, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write("logging.conf", LOGGING_CONF.replace("{path}", str(config.path)))
    other = logging.getLogger("winchester_core.test_logging")
    settings = config.settings("logging_config: logging.conf\nlog_level: debug\n")

    configure_logging(settings, "ingest")
    logging.getLogger("acme").info("hello")
    other.error("alive")

    assert (config.path / "ingest.log").read_text() == "acme says hello\n"
    assert "winchester_core.test_logging says alive\n" in capsys.readouterr().err
    for handler in list(logging.getLogger("acme").handlers):
        logging.getLogger("acme").removeHandler(handler)
        handler.close()


def test_the_shipped_logging_config_works(
    config: ConfigDir, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "etc" / "logging.conf"

    configure_logging(config.settings(f"logging_config: {path}"), "worker")
    logging.getLogger("winchester_core.test_logging").info("seen")
    logging.getLogger("acme").info("not seen")

    assert capsys.readouterr().err.endswith(" INFO winchester_core.test_logging: seen\n")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("nonsense", "File contains no section headers"),
        ("[loggers]\nkeys = root\n", "'formatters'"),
        (LOGGING_CONF.replace("StreamHandler", "NoHandler"), "No module named 'NoHandler'"),
        (LOGGING_CONF.replace("{path}", "/nowhere"), "No such file or directory"),
        ("", "Error"),
    ],
)
def test_a_broken_logging_config_is_reported_with_its_file(
    config: ConfigDir, content: str, cause: str
) -> None:
    path = config.write("logging.conf", content)

    with pytest.raises(ConfigurationError) as caught:
        configure_logging(config.settings("logging_config: logging.conf"), "worker")

    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: logging_config cannot be used: ")
    assert cause in problem
    assert "\n" not in problem


def test_a_logging_config_that_fails_midway_leaves_logging_unchanged(config: ConfigDir) -> None:
    log = config.path / "worker.log"
    configure_logging(config.settings(f"log_file: {log}"), "worker")
    config.write(
        "logging.conf",
        """\
        [loggers]
        keys: root
        [logger_root]
        level: ERROR
        handlers: good, bad
        [handlers]
        keys: good, bad
        [formatters]
        keys:
        [handler_good]
        class: StreamHandler
        args: ()
        [handler_bad]
        class: FileHandler
        args: ("none/there.log",)
        """,
    )
    with pytest.raises(ConfigurationError, match="logging_config cannot be used"):
        configure_logging(config.settings("logging_config: logging.conf"), "worker")
    logging.getLogger("acme").info("as before")
    assert log.read_text().endswith("INFO acme: as before\n")


OLDER = """\
[loggers]
keys = root, winchester
[handlers]
keys = stderr, null
[formatters]
keys =
[logger_root]
handlers = null
[logger_winchester]
handlers = stderr
qualname = {qualname}
[handler_stderr]
class = StreamHandler
args = (sys.stderr,)
[handler_null]
class = NullHandler
args = ()
"""


@pytest.mark.parametrize(
    ("qualname", "is_silent"), [("winchester", True), ("winchester_core", False)]
)
def test_a_logging_config_that_silences_the_program_causes_a_warning(
    config: ConfigDir, capsys: pytest.CaptureFixture[str], qualname: str, is_silent: bool
) -> None:
    configure_logging(config.settings("log_level: warning"), "worker")
    config.write("logging.conf", OLDER.format(qualname=qualname))

    configure_logging(config.settings("logging_config: logging.conf"), "worker")

    warning = "leaves the logger 'winchester_core' without a handler: no record is written"
    assert (warning in capsys.readouterr().err) is is_silent
    for name in NAMED:
        logging.getLogger(name).handlers.clear()
