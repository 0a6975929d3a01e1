"""Exit statuses and messages on standard error."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from winchester_core.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    PluginError,
    SchemaMismatch,
    SourceError,
)
from winchester_core.service.exit import UsageError, run_guarded

if TYPE_CHECKING:
    from collections.abc import Callable

ARGS = Namespace(config="my.yaml", debug=False)


def _raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no"), 2),
        (ConfigurationError(["no"]), 2),
        (PluginError("group", "name", "no"), 2),
        (SchemaMismatch(None, "0001", "sqlite://"), 2),
        (DatabaseUnavailable("no"), 1),
        (SourceError("file", "no"), 1),
        (PermissionError(13, "no", "file"), 1),
        (ZeroDivisionError("no"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_status_and_no_traceback(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_guarded(_raising(error), program="prog", args=ARGS) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_success_exits_with_the_status_of_the_command() -> None:
    assert run_guarded(lambda: 0, program="prog", args=ARGS) == 0
    assert run_guarded(lambda: 3, program="prog", args=ARGS) == 3


def test_configuration_problems_are_printed_one_per_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_guarded(_raising(ConfigurationError(["f:1:1: a", "f:2:1: b"])), program="prog", args=ARGS)
    assert capsys.readouterr().err == "f:1:1: a\nf:2:1: b\n"


def test_other_errors_are_prefixed_with_the_program_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_guarded(_raising(SourceError("in.jsonl", "is damaged")), program="prog", args=ARGS)
    assert capsys.readouterr().err == "prog: in.jsonl: is damaged\n"
    run_guarded(_raising(FileNotFoundError(2, "No such file", "x.pid")), program="prog", args=ARGS)
    assert capsys.readouterr().err == "prog: x.pid: No such file\n"


def test_a_schema_mismatch_names_the_configuration_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_guarded(_raising(SchemaMismatch("0001", "0002", "sqlite://")), program="prog", args=ARGS)
    assert "winchester_db -c my.yaml upgrade head" in capsys.readouterr().err


def test_an_internal_error_is_reported_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    run_guarded(_raising(ZeroDivisionError("by 0")), program="prog", args=ARGS)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "prog: unexpected ZeroDivisionError: by 0"
    assert "--debug" in second


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    args = Namespace(config=None, debug=True)
    run_guarded(_raising(UsageError("no")), program="prog", args=args)
    assert capsys.readouterr().err.startswith("Traceback")
