"""The error report: every problem of every file, each with its place, in the files' order."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from winchester_core.config.document import Document, Mark, Path

logger = logging.getLogger("winchester_core.config")

PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where."""

    name: str
    mark: Mark | None
    path: Path
    message: str

    def __str__(self) -> str:
        place = f"{self.name}:{self.mark.line}:{self.mark.column}" if self.mark else self.name
        parts = (place, format_path(self.path), self.message)
        return ": ".join(part for part in parts if part)


class Report:
    """Gathers problems and warnings while a configuration is read."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._warnings: list[Problem] = []

    @property
    def problems(self) -> list[str]:
        """Every problem once: files in the order they were read, each from its top."""
        files = list(dict.fromkeys(problem.name for problem in self._problems))

        def place(problem: Problem) -> tuple[int, Mark | tuple[int, int]]:
            return files.index(problem.name), problem.mark or (0, 0)

        return list(dict.fromkeys(str(problem) for problem in sorted(self._problems, key=place)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every warning, in the order found."""
        return tuple(dict.fromkeys(str(warning) for warning in self._warnings))

    def add(self, document: Document, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a problem at `path` of `document`, unless what stands there is reported already."""
        if not document.is_broken(path):
            self._problems.append(_problem(document, path, message, at_key=at_key))

    def add_file(self, name: str, mark: Mark | None, message: str, path: Path = ()) -> None:
        """Note a problem of a file that has no tree yet."""
        self._problems.append(Problem(name, mark, path, message))

    def warn_file(self, name: str, mark: Mark | None, message: str, path: Path) -> None:
        """Note what deserves attention in a file that has no tree yet."""
        self._warnings.append(Problem(name, mark, path, message))

    def warn(self, document: Document, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note what deserves attention and stops nothing."""
        self._warnings.append(_problem(document, path, message, at_key=at_key))

    def close(self) -> None:
        """Log the warnings. Raises `ConfigurationError` with every problem, if there is one."""
        for warning in self.warnings:
            logger.warning("%s", warning)
        if self._problems:
            raise ConfigurationError(self.problems)


def format_path(path: Path) -> str:
    """Write a path as in `match_criteria[0].traits['a.b']`."""
    text = "".join(_format_step(step) for step in path)
    return text.removeprefix(".")


def _format_step(step: Hashable) -> str:
    if isinstance(step, str) and PLAIN_KEY.match(step):
        return f".{step}"
    return f"[{step!r}]"


def _problem(document: Document, path: Path, message: str, *, at_key: bool) -> Problem:
    mark = document.mark(path, at_key=at_key)
    return Problem(document.name, mark, document.base + path, message)
