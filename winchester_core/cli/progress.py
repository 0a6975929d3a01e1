"""A progress bar for a person who watches, and nothing for a log or a pipe."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress(
    what: str, *, unit: str = "messages", total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many `unit`s are done by now.

    They show as a bar on standard error (with `total`, how many are left, too) while that is a
    terminal; log records are then printed above it.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    bar = tqdm(
        desc=what, unit=f" {unit}", unit_scale=True, total=total, file=sys.stderr, leave=False
    )
    with logging_redirect_tqdm(), bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show
