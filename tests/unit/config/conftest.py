"""A directory of configuration files written by a test, and the result of loading them."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.config import Settings, load_settings
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "database: {url: 'sqlite://'}\n"


class ConfigDir:
    """Writes files into a directory and loads `winchester.yaml` from there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, content: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content), encoding="utf-8")
        return path

    def settings(self, content: str = "", **options: Any) -> Settings:
        """Load `content` as winchester.yaml, with a database."""
        path = self.write("winchester.yaml", DATABASE + dedent(content))
        options.setdefault("environ", {})
        return load_settings(path, **options)

    def problems(self, content: str = "", **options: Any) -> list[str]:
        """Return the problems of the same, with file names instead of paths."""
        with pytest.raises(ConfigurationError) as caught:
            self.settings(content, **options)
        return [line.replace(f"{self.path}/", "") for line in caught.value.problems]


@pytest.fixture
def config(tmp_path: Path) -> ConfigDir:
    return ConfigDir(tmp_path / "etc")
