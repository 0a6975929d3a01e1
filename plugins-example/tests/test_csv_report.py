"""The handler `csv_report`."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.model import clean_event
from winchester_core.testing import HandlerConformance, make_env
from winchester_example.csv_report import CsvReportHandler

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.model import Event

BEGIN = datetime(2024, 3, 2, 8, tzinfo=UTC)
END = datetime(2024, 3, 2, 10, 30, tzinfo=UTC)


def visit() -> list[Event]:
    """Return the events of a stream, as new copies for each run."""
    return [
        {"message_id": "m1", "event_type": "door.in", "timestamp": BEGIN, "floor": 3},
        {"message_id": "m2", "event_type": "door.out", "timestamp": END, "badge": 'a,"b"'},
    ]


def env(**changes: Any) -> dict[str, Any]:
    """Return the env of a first attempt."""
    stream = {"stream_id": 7, "stream_name": "weekend_visit"}
    return make_env(**stream, distinguished_by={"badge": "ab-12"}) | changes


def make_handler(directory: Path, **params: Any) -> CsvReportHandler:
    """Create the handler from validated params, as Winchester does."""
    given = {"directory": str(directory), **params}
    return CsvReportHandler(**CsvReportHandler.config_schema(given))


def files_in(directory: Path) -> dict[str, str]:
    """Return the text of every file in the directory, by name."""
    return {path.name: path.read_text() for path in directory.iterdir()}


class TestRules(HandlerConformance):
    """Rules for every handler."""

    plugin = CsvReportHandler

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def params(self) -> dict[str, Any]:
        return {"directory": str(self.directory), "columns": ["timestamp"]}

    def observe_effects(self) -> Any:
        """Return the files under their final names."""
        return {path.name: path.read_text() for path in self.directory.glob("[!.]*")}

    def observe_traces(self) -> Any:
        return files_in(self.directory)


def test_a_successful_run_writes_a_row_for_each_event(tmp_path: Path) -> None:
    handler = make_handler(tmp_path / "reports")
    handler.handle_events(visit(), env())
    handler.commit()

    assert files_in(tmp_path / "reports") == {
        "weekend_visit-7.csv": (
            "message_id,event_type,timestamp,badge,floor\n"
            "m1,door.in,2024-03-02T08:00:00+00:00,,3\n"
            'm2,door.out,2024-03-02T10:30:00+00:00,"a,""b""",\n'
        )
    }
    mode = stat.S_IMODE((tmp_path / "reports" / "weekend_visit-7.csv").stat().st_mode)
    assert mode & ~0o640 == 0


def test_columns_can_be_selected(tmp_path: Path) -> None:
    handler = make_handler(tmp_path, columns=["floor", "timestamp"])
    handler.handle_events(visit(), env())
    handler.commit()

    assert files_in(tmp_path)["weekend_visit-7.csv"].splitlines()[:2] == [
        "floor,timestamp",
        "3,2024-03-02T08:00:00+00:00",
    ]


def test_the_file_does_not_exist_before_commit(tmp_path: Path) -> None:
    make_handler(tmp_path).handle_events(visit(), env())

    assert "weekend_visit-7.csv" not in files_in(tmp_path)


def test_rollback_removes_all_files(tmp_path: Path) -> None:
    handler = make_handler(tmp_path)
    handler.handle_events(visit(), env())
    handler.rollback()

    assert files_in(tmp_path) == {}


def test_rollback_and_commit_before_any_event_do_nothing(tmp_path: Path) -> None:
    make_handler(tmp_path).rollback()
    make_handler(tmp_path).commit()

    assert files_in(tmp_path) == {}


def test_the_events_and_a_report_event_are_returned(tmp_path: Path) -> None:
    shared = env()
    *given, report = make_handler(tmp_path, event_type="visit.report").handle_events(
        visit(), shared
    )

    path = str(tmp_path / "weekend_visit-7.csv")
    assert given == visit()
    assert {name: value for name, value in report.items() if name != "message_id"} == {
        "event_type": "visit.report",
        "timestamp": END,
        "path": path,
        "stream_name": "weekend_visit",
        "reason": "fire",
        "event_count": 2,
        "duration_seconds": 9000.0,
    }
    assert clean_event(report).drops == ()
    assert shared["csv_reports"] == [path]


def test_a_retry_gives_the_same_event_and_file(tmp_path: Path) -> None:
    dead = make_handler(tmp_path)
    first = dead.handle_events(visit(), env())
    again = make_handler(tmp_path)
    second = again.handle_events(visit(), env(attempt=2))
    again.commit()

    assert second == first
    assert list(files_in(tmp_path)) == ["weekend_visit-7.csv"]


def test_a_retry_after_commit_is_idempotent(tmp_path: Path) -> None:
    for attempt in (1, 2):
        handler = make_handler(tmp_path)
        handler.handle_events(visit(), env(attempt=attempt))
        handler.commit()

    assert list(files_in(tmp_path)) == ["weekend_visit-7.csv"]


def test_rollback_of_a_lost_stream_keeps_the_file_of_the_next_worker(tmp_path: Path) -> None:
    late, current = make_handler(tmp_path), make_handler(tmp_path)
    late.handle_events(visit(), env())
    current.handle_events(visit(), env(attempt=2))
    late.rollback()
    current.commit()

    assert list(files_in(tmp_path)) == ["weekend_visit-7.csv"]


def test_reports_of_different_streams_have_different_ids(tmp_path: Path) -> None:
    handler = make_handler(tmp_path)
    reports = [
        handler.handle_events(visit(), env(**changes))[-1]["message_id"]
        for changes in ({}, {"stream_id": 8}, {"stream_name": "other"})
    ]

    assert len(set(reports)) == 3


@pytest.mark.parametrize("name", ["../../etc/cron", "/etc/cron", "..", "a/b"])
def test_trigger_names_cannot_escape_the_directory(tmp_path: Path, name: str) -> None:
    handler = make_handler(tmp_path / "reports")
    handler.handle_events(visit(), env(stream_name=name))
    handler.commit()

    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert [path.is_file() for path in (tmp_path / "reports").iterdir()] == [True]


def test_no_events_give_no_report(tmp_path: Path) -> None:
    handler = make_handler(tmp_path)

    assert handler.handle_events([], env()) == []
    handler.commit()
    assert files_in(tmp_path) == {}


def test_unclean_events_are_cleaned_only_in_the_file(tmp_path: Path) -> None:
    loose: Event = {
        "message_id": "m3",
        "event_type": "door.note",
        "timestamp": "2024-03-02T11:30:00+01:00",
        "nothing": None,
        "list": [1],
    }
    handler = make_handler(tmp_path)
    events = handler.handle_events([*visit(), loose], env())
    handler.commit()

    assert events[2] is loose
    assert events[-1]["timestamp"] == END
    assert files_in(tmp_path)["weekend_visit-7.csv"].splitlines()[-1] == (
        "m3,door.note,2024-03-02T10:30:00+00:00,,"
    )


def test_a_directory_that_cannot_be_created_fails_the_run_before_commit(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")

    with pytest.raises(OSError, match="reports"):
        make_handler(tmp_path / "reports").handle_events(visit(), env())


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, ["directory"]),
        ({"directory": ""}, ["directory"]),
        ({"directory": "d", "columns": []}, ["columns"]),
        ({"directory": "d", "columns": [1]}, ["columns", 0]),
        ({"directory": "d", "event_type": "x" * 256}, ["event_type"]),
        ({"direktory": "d", "directory": "d"}, ["direktory"]),
    ],
)
def test_invalid_params_are_reported_with_their_path(
    params: dict[str, Any], path: list[Any]
) -> None:
    with pytest.raises(MultipleInvalid) as refused:
        CsvReportHandler.config_schema(params)

    assert [error.path for error in refused.value.errors] == [path]
