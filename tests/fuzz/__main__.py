"""Fuzz one target with coverage feedback: `python -m fuzz TARGET SECONDS`, by atheris."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["winchester_core"]):
    from fuzz.targets import SEEDS, TARGETS


def main() -> None:
    """Run the target until it fails or the time is over; keep the inputs that reach new code."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    if name not in TARGETS:
        raise SystemExit(f"unknown target {name!r}; one of: {', '.join(TARGETS)}")
    corpus = Path(".fuzz") / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={corpus}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


main()
