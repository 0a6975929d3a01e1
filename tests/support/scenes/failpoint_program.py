"""``winchester`` that kills itself with SIGKILL at a failpoint.

Its arguments: the failpoint, which hit of it kills (from 1), and those of ``winchester``.
"""

from __future__ import annotations

import sys

from failpoint_process import arm

from winchester_core.cli.main import main

if __name__ == "__main__":
    checkpoint, hit, *arguments = sys.argv[1:]
    arm(checkpoint, int(hit))
    sys.exit(main(arguments))
