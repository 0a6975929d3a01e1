"""The long form of the chaos test: ``make chaos DATABASE=postgresql SECONDS=600 SEED=7``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from chaos.chaos_site import MIXED
from chaos.run import run
from support.scenes.worker_settings import ONE_BY_ONE, PARALLEL
from support.servers.databases import BACKENDS

WORKERS = {"one": (ONE_BY_ONE,), "parallel": (PARALLEL,), "mixed": MIXED}


def main() -> int:
    """Run once; return 0 if nothing was lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--database", choices=BACKENDS, default="sqlite")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--workers", choices=WORKERS, default="mixed", help="their threads")
    parser.add_argument("--keep", type=Path, help="a directory for logs and journals, kept")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="winchester-chaos-"))
    print(f"chaos on {args.database}, seed {args.seed}, in {folder}", flush=True)
    workers = WORKERS[args.workers]
    print(run(args.database, folder, seconds=args.seconds, seed=args.seed, workers=workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
