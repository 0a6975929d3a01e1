"""A report keeps figures of the same machine that are not measured again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.arguments import make_parser
from benchmarks.figure import ENGINE, RAW, Figure, Goal
from benchmarks.growth import powers
from benchmarks.options import Options
from benchmarks.report import dropped, merged, report
from benchmarks.server_load import ServerLoad

MACHINE = {"processor": "p", "processors": 2, "memory_kib": "1", "python": "3", "load": 1}


def document(*names: str, value: float = 1.0, **machine: Any) -> dict[str, Any]:
    figures = [
        Figure("b", name, None, "s", {ENGINE: (value,), RAW: (2.0,)}, (Goal(ENGINE, RAW),))
        for name in names
    ]
    settings = {"sqlite": {"version": "3"}}
    return report(figures, Options(Path("folder")), {**MACHINE, **machine}, settings)


def values(found: dict[str, Any]) -> dict[str, float]:
    return {each["name"]: each["samples"][ENGINE][0] for each in found["figures"]}


def test_a_report_is_json_with_samples_spreads_and_lines() -> None:
    (figure,) = json.loads(json.dumps(document("one")))["figures"]
    assert figure["samples"] == {ENGINE: [1.0], RAW: [2.0]}
    assert figure["goals"][0]["spread"] == {"minimum": 0.5, "median": 0.5, "maximum": 0.5}
    assert figure["lines"][0]["median"] == "0.5"
    assert figure["options"]["rounds"] == Options(Path("folder")).rounds


def test_figures_not_measured_again_are_kept() -> None:
    first = document("one", "two")
    assert values(merged(first, document("two", "three", value=5.0))) == {
        "one": 1.0,
        "two": 5.0,
        "three": 5.0,
    }
    assert merged(None, first) == first


def test_figures_of_another_machine_are_discarded() -> None:
    assert values(merged(document("one"), document("two", processors=4))) == {"two": 1.0}
    assert set(values(merged(document("one"), document("two", load=9)))) == {"one", "two"}


def test_discarded_figures_are_reported() -> None:
    first = document("one", "two")
    assert dropped(first, merged(first, document("two", processors=4))) == ["b: one, no database"]
    assert dropped(first, merged(first, document("two"))) == []
    assert dropped(None, first) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "ingest-bach"], "available: ingest-batch, worker"),
        (["--database", "oracle"], "available: sqlite"),
        (["--rounds", "0"], "0 is not positive"),
    ],
)
def test_a_wrong_argument_is_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_parser(["ingest-batch", "worker"]).parse_args(arguments)
    assert message in capsys.readouterr().err


def test_growth_steps_are_powers_of_ten_up_to_the_limit() -> None:
    assert powers(10, 10_000) == [10, 100, 1_000, 10_000]
    assert powers(1, 250) == [1, 10, 100, 250]


def test_the_load_of_a_remote_server_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.server_load.PROC", tmp_path)
    load = ServerLoad("postgresql", "winchester")
    assert load.since(load.seconds()) is None


def test_server_load_counts_the_processes_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.server_load.PROC", tmp_path)
    monkeypatch.setattr("benchmarks.server_load._TICK_SECONDS", 0.01)
    load = ServerLoad("postgresql", "winchester")
    commands = {
        1: "postgres: root winchester 127.0.0.1(4711) idle",
        2: "postgres: root winchester2 127.0.0.1(4712) idle",
        3: "postgres: walwriter ",
        4: "/usr/bin/python winchester",
    }

    def spend(ticks: int) -> None:
        for pid, command in commands.items():
            folder = tmp_path / str(pid)
            folder.mkdir(exist_ok=True)
            (folder / "cmdline").write_bytes(command.replace(" ", "\0").encode())
            (folder / "stat").write_text(f"{pid} (a ) b) S {'0 ' * 10}{ticks} {ticks} 0 0")

    spend(10)
    before = load.seconds()
    assert before.keys() == {1, 3}
    spend(60)
    assert load.since(before) == pytest.approx(2 * 2 * 50 * 0.01)
