"""`winchester ingest`, which kills itself at a named checkpoint; run by the tests beside it.

Arguments: the configuration, and the name of the checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys

from winchester_core.cli.main import main
from winchester_core.telemetry.failpoints import Failpoint, on_hit


def die_at(wanted: Failpoint) -> None:
    """Die at the first passing of a checkpoint."""

    def hook(point: Failpoint) -> None:
        if point is wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    on_hit(hook)


if __name__ == "__main__":
    config, point = sys.argv[1:]
    die_at(Failpoint(point))
    sys.exit(main(["ingest", "-c", config]))
