"""Finding the files that `winchester.yaml` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Directories, in the order in which a file is looked for."""

    directories: tuple[Path, ...]

    @classmethod
    def of(cls, config_path: Sequence[str], home: Path) -> SearchPath:
        """The directories of `config_path`, relative ones under `home`, and `home` at last.

        `home` is the directory of `winchester.yaml`, or the working directory when there is no
        such file.
        """
        listed = [home / Path(directory).expanduser() for directory in config_path]
        return cls(tuple(dict.fromkeys([*listed, home])))

    def find(self, name: str) -> Path | None:
        """The first file called `name`; an absolute name is taken as it is."""
        candidates = (directory / Path(name).expanduser() for directory in self.directories)
        return next((path for path in candidates if _is_file(path)), None)

    def missing(self, name: str) -> str:
        """Say that no file is called `name`, where it was looked for, and what is there instead."""
        if Path(name).expanduser().is_absolute():
            return f"there is no file {name!r}"
        places = ", ".join(str(directory) for directory in self.directories)
        close = nearest(name, self._present())
        hint = f"; did you mean {close!r}?" if close else "; config_path adds directories"
        return f"there is no file {name!r} in {places}{hint}"

    def _present(self) -> list[str]:
        return [name for directory in self.directories for name in _files(directory)]


def _files(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if path.is_file()]
    except OSError:
        return []  # a directory that is not there offers nothing


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # not ours to read: as good as absent
