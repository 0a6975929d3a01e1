"""Print the measures of the code as a table, and write them as JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from tools.measures import walks
from tools.measures.static import SourceTree

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("winchester_core", "winchester_handlers")


def main() -> None:
    """Take the measures that the options name."""
    options = _parser().parse_args()
    trees = {package: SourceTree(options.tree, package) for package in PACKAGES}
    report: dict[str, Any] = {package: tree.measures() for package, tree in trees.items()}
    circles = [circle for tree in trees.values() for circle in tree.circles()]
    if options.tree.samefile(CHECKOUT) and not options.static:
        report["walks"] = {name: walks.take(name) for name in walks.WALKS}
    if options.commit:
        report["commit"] = changed_files(options.tree, options.commit)
    print(table(report))
    for circle in circles:
        print(f"\nimport circle of {len(circle)}:\n  " + "\n  ".join(circle))
    if options.json:
        report["circles"] = circles
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def table(report: dict[str, Any]) -> str:
    """Return the report's numbers as lines of text."""
    names = report[PACKAGES[0]]
    rows = [(name, *(report[package][name] for package in PACKAGES)) for name in names]
    lines = [f"{'':<26}" + "".join(f"{package:>22}" for package in PACKAGES)]
    lines += [f"{name:<26}" + "".join(f"{number:>22,g}" for number in row) for name, *row in rows]
    for name, walk in report.get("walks", {}).items():
        functions = sum(len(each) for each in walk.values())
        lines.append(f"walk of one {name}: {len(walk)} files, {functions} functions")
    if "commit" in report:
        lines.append(f"product files changed by the commit: {len(report['commit'])}")
    return "\n".join(lines)


def changed_files(checkout: Path, revision: str) -> list[str]:
    """Return the files of the packages that a commit changes."""
    command = ["git", "show", "--first-parent", "--name-only", "--format=", revision, "--"]
    run = subprocess.run(
        [*command, *PACKAGES], cwd=checkout, check=True, capture_output=True, text=True
    )
    return run.stdout.splitlines()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.measures", description=__doc__)
    parser.add_argument(
        "--tree",
        type=Path,
        default=CHECKOUT,
        metavar="PATH",
        help="another checkout to measure, without the walks",
    )
    parser.add_argument("--static", action="store_true", help="leave out the walks")
    parser.add_argument("--commit", metavar="REV", help="count the product files that it changes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measures here, too")
    return parser


if __name__ == "__main__":
    main()
