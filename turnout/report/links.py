"""The pages of the running systems, and whether each answered when the report was written."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

PATIENCE_SECONDS = 2.0
"""A report is wanted on the worst day too: what has not answered by then is told to be down."""


@dataclass(frozen=True)
class Link:
    """A page: its name, its address, and whether it answered."""

    name: str
    url: str
    answers: bool


def asked(pages: Mapping[str, str]) -> tuple[Link, ...]:
    """Ask every page that has an address once, all at the same time.

    Args:
        pages: Addresses by name; what runs nowhere has an empty one and gets no link.
    """
    known = {name: url for name, url in pages.items() if url}
    if not known:
        return ()
    with ThreadPoolExecutor(max_workers=len(known)) as pool:
        answers = pool.map(_answers, known.values())
        return tuple(Link(name, url, ok) for (name, url), ok in zip(known.items(), answers, strict=True))


def _answers(url: str) -> bool:
    """Whether a reader who follows the link gets a page."""
    try:
        reply = httpx.get(url, timeout=PATIENCE_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return reply.is_success
