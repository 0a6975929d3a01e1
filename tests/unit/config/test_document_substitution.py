"""`${NAME}` and `${NAME:-default}` are replaced in scalars, after parsing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winchester_core.config import load_settings
from winchester_core.config.document import SubstitutionError, retype, substitute
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from conftest import ConfigDir

ENVIRON = {"HOST": "db1", "EMPTY": "", "NESTED": "${HOST}", "STRUCTURE": "{a: [1, 2]}\nb: 3"}


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("${HOST}", "db1"),
        ("a-${HOST}-${HOST}", "a-db1-db1"),
        ("${GONE:-there}", "there"),
        ("${EMPTY:-there}", "there"),
        ("${EMPTY}", ""),
        ("${GONE:-}", ""),
        ("${GONE:-a:-b}", "a:-b"),
        ("${HOST:-there}", "db1"),
        ("${NESTED}", "${HOST}"),
        ("$${HOST}", "${HOST}"),
        ("$timestamp - 14d", "$timestamp - 14d"),
        ("$first", "$first"),
        ("$HOST {HOST}", "$HOST {HOST}"),
    ],
)
def test_only_references_are_replaced(text: str, replaced: str) -> None:
    assert substitute(text, ENVIRON) == replaced


@pytest.mark.parametrize("text", ["${}", "${1X}", "${A-B}", "${A:=b}", "x ${HOST"])
def test_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(SubstitutionError, match="is not an environment variable"):
        substitute(text, ENVIRON)


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("1.5", 1.5), ("yes", True), ("null", None), ("x", "x"), ("2015-01-01",) * 2],
)
def test_substituted_text_is_retyped_as_a_yaml_scalar_never_as_a_structure(
    text: str, value: object
) -> None:
    assert retype(text) == value
    assert retype("[1, 2]") == "[1, 2]"


def test_an_unset_variable_is_reported_with_its_position(config: ConfigDir) -> None:
    assert config.problems("log_level: ${LEVEL}\nworker_name: a-${NAME}\n") == [
        (
            "winchester.yaml:2:12: log_level: the environment variable LEVEL is not set: set it, "
            "or give a default, as in ${LEVEL:-default}"
        ),
        (
            "winchester.yaml:3:14: worker_name: the environment variable NAME is not set: set it, "
            "or give a default, as in ${NAME:-default}"
        ),
    ]


def test_a_value_cannot_add_structure(config: ConfigDir) -> None:
    settings = config.settings("worker_name: ${STRUCTURE}", environ=ENVIRON)

    assert settings.worker_name == "{a: [1, 2]}\nb: 3"


def test_a_number_from_a_variable_is_accepted_as_a_number(config: ConfigDir) -> None:
    environ = {"SIZE": "250", "PURGE": "no", "DELAY": "2.5", "JUMP": "off"}
    settings = config.settings(
        """\
        pipeline_worker_batch_size: ${SIZE}
        ingest_batch_size: ${UNSET:-12}
        purge_completed_streams: ${PURGE}
        pipeline_worker_delay: ${DELAY}
        event_clock_max_jump: ${JUMP}
        """,
        environ=environ,
    )

    assert settings.pipeline_worker_batch_size == 250
    assert settings.ingest_batch_size == 12
    assert settings.purge_completed_streams is False
    assert settings.pipeline_worker_delay == 2.5
    assert settings.event_clock_max_jump is None


def test_a_number_from_a_variable_stays_text_for_a_text_setting(config: ConfigDir) -> None:
    assert config.settings("worker_name: ${N}", environ={"N": "0123"}).worker_name == "0123"


def test_a_quoted_number_in_the_file_stays_text(config: ConfigDir) -> None:
    assert config.settings("max_attempts: '${N}'", environ={"N": "3"}).max_attempts == 3
    assert config.problems("max_attempts: '3'") == [
        "winchester.yaml:2:15: max_attempts: expected a whole number of 1 or more, not '3'"
    ]


def test_an_invalid_value_from_the_environment_is_not_shown(config: ConfigDir) -> None:
    """It may be a password set at the wrong key."""
    assert config.problems("max_attempts: ${N}", environ={"N": "hunter2"}) == [
        "winchester.yaml:2:15: max_attempts: expected a whole number of 1 or more, not ***"
    ]


def test_a_settings_mapping_is_treated_like_a_file() -> None:
    source = {"database": {"url": "sqlite:///${NAME}.db"}, "max_attempts": "${N}"}

    settings = load_settings(source, environ={"NAME": "w", "N": "3"})

    assert (settings.database_url, settings.max_attempts) == ("sqlite:///w.db", 3)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(source, environ={"N": "3"})
    assert caught.value.problems == (
        (
            "<dict>: database.url: the environment variable NAME is not set: set it, or give a "
            "default, as in ${NAME:-default}"
        ),
    )


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINCHESTER_TEST_URL", "sqlite:///here.db")

    settings = load_settings({"database": {"url": "${WINCHESTER_TEST_URL}"}})

    assert settings.database_url == "sqlite:///here.db"
