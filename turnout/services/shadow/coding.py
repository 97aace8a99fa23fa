"""Bodies as they were meant, whatever coding they travelled in (RFC 9110, 8.4); pure.

A client that accepts gzip gets gzip from one server and plain text from the other: the same answer.
"""

import zlib

_EITHER = 32 + zlib.MAX_WBITS
"""Lets zlib tell gzip from deflate by the header."""


class UnreadableCodingError(Exception):
    """A body whose coding is not known here, is broken, or holds more than may be kept."""


def decoded(body: bytes, coding: str, *, largest_bytes: int) -> bytes:
    """Return a body without its content coding.

    Args:
        body: As it travelled.
        coding: The Content-Encoding header; empty or identity: none.
        largest_bytes: Most that it may hold.

    Raises:
        UnreadableCodingError: It cannot be read; the message says why in a few words.
    """
    named = coding.strip().lower()
    if not body or named in ("", "identity"):
        return body
    if named not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableCodingError(f"coded as {named}")
    unpacking = zlib.decompressobj(_EITHER)
    try:
        plain = unpacking.decompress(body, largest_bytes)
    except zlib.error as error:
        raise UnreadableCodingError(f"broken {named}") from error
    if unpacking.unconsumed_tail:
        raise UnreadableCodingError("too large when unpacked")
    return plain
