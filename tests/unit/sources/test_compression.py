"""Decompression with a bound on the size of the output."""

from __future__ import annotations

import bz2
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.compression import FORMATS, MAX_PIECE_BYTES, TooLarge, decompress


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


COMPRESSORS = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("bzip2", bz2.compress),
]


@pytest.mark.parametrize(("name", "compress"), COMPRESSORS)
@pytest.mark.parametrize("data", [b"", b"x", b"0123456789" * 300_000])
def test_data_are_decompressed(name, compress, data):
    assert decompress(compress(data), name, len(data)) == data


def test_raw_deflate_data_with_the_check_bits_of_a_header_are_decompressed():
    texts = [b"%d" % number for number in range(10_000)]
    odd = [each for each in texts if int.from_bytes(raw_deflate(each)[:2], "big") % 31 == 0]
    assert odd
    assert [decompress(raw_deflate(each), "deflate", 9) for each in odd] == odd


@pytest.mark.parametrize(("name", "compress"), COMPRESSORS)
def test_no_more_is_decompressed_than_the_limit(name, compress):
    bomb = compress(b"\0" * (3 * MAX_PIECE_BYTES))
    with pytest.raises(TooLarge, match=r"^has more than 9 bytes when decompressed$"):
        decompress(bomb, name, 9)


@pytest.mark.parametrize(("name", "compress"), COMPRESSORS)
def test_truncated_data_are_refused(name, compress):
    with pytest.raises(ValueError, match=f"^is not valid {name} data$"):
        decompress(compress(b"x" * 1000)[:-1], name, 1000)


def test_members_follow_each_other():
    members = gzip.compress(b"a") + gzip.compress(b"b") + b"\0" * 9
    assert decompress(members * 20_000, "gzip", 40_000) == b"ab" * 20_000


@given(st.sampled_from(sorted(FORMATS)), st.binary())
def test_any_data_are_decompressed_or_refused(name, data):
    try:
        assert len(decompress(data, name, 100)) <= 100
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right
