"""Growth curves: one picture for each benchmark, one line for each figure."""

from __future__ import annotations

from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

WIDTH_INCHES, HEIGHT_INCHES = 7.0, 3.6


def draw(documents: Iterable[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw the figures of a report that have a curve; return the files written.

    Raises `ModuleNotFoundError` if matplotlib (the extra `bench`) is not installed.
    """
    curved = [each for each in documents if "curve" in each["facts"]]
    curved.sort(key=lambda each: each["benchmark"])  # stable: databases keep their order
    return [
        _picture(list(group), folder / f"{name}.svg")
        for name, group in groupby(curved, key=lambda each: each["benchmark"])
    ]


def _picture(documents: list[Mapping[str, Any]], path: Path) -> Path:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # the same figures give the same file
    with mpl.rc_context({"svg.hashsalt": "winchester", "svg.fonttype": "none"}):
        picture, axes = pyplot.subplots(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
        for document in documents:
            _draw_one(axes, document, several=_names(documents) > 1)
        axes.set_xlabel(documents[0]["facts"]["curve"]["axis"])
        axes.set_ylabel(documents[0]["unit"])
        axes.set_xscale(documents[0]["facts"]["curve"].get("scale", "log"))
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small")
        picture.tight_layout()
        picture.savefig(path, metadata={"Date": None})
        pyplot.close(picture)
    return path


def _names(documents: Iterable[Mapping[str, Any]]) -> int:
    return len({document["name"] for document in documents})


def _draw_one(axes: Any, document: Mapping[str, Any], *, several: bool) -> None:
    samples = list(document["samples"].values())
    middle = [median(each) for each in samples]
    below = [value - min(each) for value, each in zip(middle, samples, strict=True)]
    above = [max(each) - value for value, each in zip(middle, samples, strict=True)]
    label = f"{document['database']}, {document['name']}" if several else document["database"]
    sizes = document["facts"]["curve"]["sizes"]
    axes.errorbar(sizes, middle, yerr=[below, above], marker="o", capsize=3, label=label)
