"""Fixtures that every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded notifications beside the checkout; the test skips without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the recorded notifications are not here: {SHARED_DATA}")
    return SHARED_DATA
