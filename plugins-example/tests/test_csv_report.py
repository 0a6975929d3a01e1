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
    """The events of a stream; new copies, as every run is given."""
    return [
        {"message_id": "m1", "event_type": "door.in", "timestamp": BEGIN, "floor": 3},
        {"message_id": "m2", "event_type": "door.out", "timestamp": END, "badge": 'a,"b"'},
    ]


def env(**changes: Any) -> dict[str, Any]:
    """The env of a first attempt."""
    stream = {"stream_id": 7, "stream_name": "weekend_visit"}
    return make_env(**stream, distinguished_by={"badge": "ab-12"}) | changes


def made(directory: Path, **params: Any) -> CsvReportHandler:
    """The handler as Winchester makes it: of params that the schema has completed."""
    given = {"directory": str(directory), **params}
    return CsvReportHandler(**CsvReportHandler.config_schema(given))


def written(directory: Path) -> dict[str, str]:
    """Every file in the directory, with its text."""
    return {path.name: path.read_text() for path in directory.iterdir()}


class TestRules(HandlerConformance):
    """What every handler must keep to."""

    plugin = CsvReportHandler

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def params(self) -> dict[str, Any]:
        return {"directory": str(self.directory), "columns": ["timestamp"]}

    def observe_effects(self) -> Any:
        """The files that have their names."""
        return {path.name: path.read_text() for path in self.directory.glob("[!.]*")}

    def observe_traces(self) -> Any:
        return written(self.directory)


def test_a_run_that_succeeds_leaves_one_file_with_a_row_for_each_event(tmp_path: Path) -> None:
    handler = made(tmp_path / "reports")
    handler.handle_events(visit(), env())
    handler.commit()

    assert written(tmp_path / "reports") == {
        "weekend_visit-7.csv": (
            "message_id,event_type,timestamp,badge,floor\n"
            "m1,door.in,2024-03-02T08:00:00+00:00,,3\n"
            'm2,door.out,2024-03-02T10:30:00+00:00,"a,""b""",\n'
        )
    }
    mode = stat.S_IMODE((tmp_path / "reports" / "weekend_visit-7.csv").stat().st_mode)
    assert mode & ~0o640 == 0


def test_the_columns_may_be_chosen(tmp_path: Path) -> None:
    handler = made(tmp_path, columns=["floor", "timestamp"])
    handler.handle_events(visit(), env())
    handler.commit()

    assert written(tmp_path)["weekend_visit-7.csv"].splitlines()[:2] == [
        "floor,timestamp",
        "3,2024-03-02T08:00:00+00:00",
    ]


def test_before_commit_the_file_is_not_there_under_its_name(tmp_path: Path) -> None:
    made(tmp_path).handle_events(visit(), env())

    assert "weekend_visit-7.csv" not in written(tmp_path)


def test_rollback_leaves_no_trace(tmp_path: Path) -> None:
    handler = made(tmp_path)
    handler.handle_events(visit(), env())
    handler.rollback()

    assert written(tmp_path) == {}


def test_rollback_and_commit_before_any_event_do_nothing(tmp_path: Path) -> None:
    made(tmp_path).rollback()
    made(tmp_path).commit()

    assert written(tmp_path) == {}


def test_the_given_events_are_returned_with_one_that_tells_of_the_file(tmp_path: Path) -> None:
    shared = env()
    *given, report = made(tmp_path, event_type="visit.report").handle_events(visit(), shared)

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


def test_a_second_run_after_the_worker_died_gives_the_same_event_and_file(tmp_path: Path) -> None:
    dead = made(tmp_path)
    first = dead.handle_events(visit(), env())
    again = made(tmp_path)
    second = again.handle_events(visit(), env(attempt=2))
    again.commit()

    assert second == first
    assert list(written(tmp_path)) == ["weekend_visit-7.csv"]


def test_a_worker_that_died_after_commit_has_done_no_harm(tmp_path: Path) -> None:
    for attempt in (1, 2):
        handler = made(tmp_path)
        handler.handle_events(visit(), env(attempt=attempt))
        handler.commit()

    assert list(written(tmp_path)) == ["weekend_visit-7.csv"]


def test_a_worker_that_lost_the_stream_does_not_touch_the_file_of_the_next(tmp_path: Path) -> None:
    late, current = made(tmp_path), made(tmp_path)
    late.handle_events(visit(), env())
    current.handle_events(visit(), env(attempt=2))
    late.rollback()
    current.commit()

    assert list(written(tmp_path)) == ["weekend_visit-7.csv"]


def test_reports_of_different_streams_have_different_ids(tmp_path: Path) -> None:
    handler = made(tmp_path)
    reports = [
        handler.handle_events(visit(), env(**changes))[-1]["message_id"]
        for changes in ({}, {"stream_id": 8}, {"stream_name": "other"})
    ]

    assert len(set(reports)) == 3


@pytest.mark.parametrize("name", ["../../etc/cron", "/etc/cron", "..", "a/b"])
def test_no_name_of_a_trigger_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    handler = made(tmp_path / "reports")
    handler.handle_events(visit(), env(stream_name=name))
    handler.commit()

    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert [path.is_file() for path in (tmp_path / "reports").iterdir()] == [True]


def test_no_events_are_no_report(tmp_path: Path) -> None:
    handler = made(tmp_path)

    assert handler.handle_events([], env()) == []
    handler.commit()
    assert written(tmp_path) == {}


def test_what_earlier_handlers_left_unclean_is_cleaned_in_the_file_alone(tmp_path: Path) -> None:
    loose: Event = {
        "message_id": "m3",
        "event_type": "door.note",
        "timestamp": "2024-03-02T11:30:00+01:00",
        "nothing": None,
        "list": [1],
    }
    handler = made(tmp_path)
    events = handler.handle_events([*visit(), loose], env())
    handler.commit()

    assert events[2] is loose
    assert events[-1]["timestamp"] == END
    assert written(tmp_path)["weekend_visit-7.csv"].splitlines()[-1] == (
        "m3,door.note,2024-03-02T10:30:00+00:00,,"
    )


def test_a_directory_that_cannot_be_made_fails_the_run_and_not_the_commit(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")

    with pytest.raises(OSError, match="reports"):
        made(tmp_path / "reports").handle_events(visit(), env())


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
def test_wrong_params_are_refused_at_their_place(params: dict[str, Any], path: list[Any]) -> None:
    with pytest.raises(MultipleInvalid) as refused:
        CsvReportHandler.config_schema(params)

    assert [error.path for error in refused.value.errors] == [path]
