"""Print the measures of the code as a table, and write them as JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from tools.measures import traces
from tools.measures.static import SourceTree

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("winchester_core", "winchester_handlers")


def main() -> None:
    """Take and print the measures that the options select."""
    options = _parser().parse_args()
    trees = {package: SourceTree(options.tree, package) for package in PACKAGES}
    report: dict[str, Any] = {package: tree.measures() for package, tree in trees.items()}
    cycles = [cycle for tree in trees.values() for cycle in tree.import_cycles()]
    if options.tree.samefile(CHECKOUT) and not options.static:
        report["traces"] = {name: traces.run_trace(name) for name in traces.TRACES}
    if options.commit:
        report["commit"] = changed_files(options.tree, options.commit)
    print(format_report(report))
    for cycle in cycles:
        print(f"\nimport cycle of {len(cycle)} modules:\n  " + "\n  ".join(cycle))
    if options.json:
        report["cycles"] = cycles
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def format_report(report: dict[str, Any]) -> str:
    """Return the numbers of the report as a table."""
    names = report[PACKAGES[0]]
    rows = [(name, *(report[package][name] for package in PACKAGES)) for name in names]
    lines = [f"{'':<26}" + "".join(f"{package:>22}" for package in PACKAGES)]
    lines += [f"{name:<26}" + "".join(f"{number:>22,g}" for number in row) for name, *row in rows]
    for name, trace in report.get("traces", {}).items():
        functions = sum(len(each) for each in trace.values())
        lines.append(f"code that one {name} runs: {len(trace)} files, {functions} functions")
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
        help="measure another checkout, without traces of programs",
    )
    parser.add_argument("--static", action="store_true", help="run no programs: omit the traces")
    parser.add_argument(
        "--commit", metavar="REV", help="count the product files that the commit changes"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all measures as JSON")
    return parser


if __name__ == "__main__":
    main()
