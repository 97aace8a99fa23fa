import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.services.shadow.coding import UnreadableCodingError, decoded


@given(st.binary(max_size=2_000))
def test_every_coding_gives_back_what_was_meant(body: bytes):
    """Plain, gzip and deflate bodies read alike."""
    for coded, coding in (
        (body, ""),
        (body, "identity"),
        (gzip.compress(body), "GZIP"),
        (zlib.compress(body), "deflate"),
    ):
        assert decoded(coded, coding, largest_bytes=4_000) == body


@pytest.mark.parametrize(
    ("body", "coding", "why"),
    [
        (b"x", "br", "coded as br"),
        (b"not gzip", "gzip", "broken gzip"),
        (gzip.compress(bytes(1_000_000)), "gzip", "too large"),
    ],
)
def test_what_cannot_be_read_is_said_and_never_unpacked_beyond_the_limit(body: bytes, coding: str, why: str):
    """An unknown coding, a broken body and a bomb each have their reason."""
    with pytest.raises(UnreadableCodingError, match=why):
        decoded(body, coding, largest_bytes=1_000)
