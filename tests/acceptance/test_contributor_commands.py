"""The test commands for contributors together run every test exactly once."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import product
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SELECTION = re.compile(r'pytest -n auto -m "([^"]+)"')


def selections(checkout: Path, target: str) -> list[str]:
    """Return the mark expressions with which a target selects tests."""
    printed = subprocess.run(
        ["make", "--dry-run", target], cwd=checkout, capture_output=True, text=True, check=True
    )
    return SELECTION.findall(printed.stdout)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is absent")
def test_each_test_runs_in_exactly_one_test_command(
    checkout: Path, pytestconfig: pytest.Config
) -> None:
    (short,), (rest,) = (selections(checkout, target) for target in ("test", "test-all"))
    marks = sorted(set(re.findall(r"\w+", short)) - {"not", "or", "and"})

    declared = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert {"slow", "packaging"} <= set(marks) <= declared
    for held in product([True, False], repeat=len(marks)):
        of_a_test = dict(zip(marks, held, strict=True))
        assert eval(short, {}, of_a_test) is not eval(rest, {}, of_a_test), of_a_test
