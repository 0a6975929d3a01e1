"""Effect payloads round-trip through their text with types."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.model.json import dump_payload, load_payload

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
keys = texts | st.sampled_from(["datetime", "@datetime", "@@datetime", "@"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)).map(lambda it: it.replace(fold=0))
)
payloads = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3)
)


@given(payloads)
def test_payloads_round_trip_with_their_types(payload: Any) -> None:
    assert repr(load_payload(dump_payload(payload))) == repr(payload)
