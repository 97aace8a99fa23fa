"""Asks the sentinel how an attempt stands."""

import aiohttp

ANSWER_WITHIN_SECONDS = 1.0
"""The sentinel answers from memory; what takes longer is as good as no answer."""


async def healthy(session: aiohttp.ClientSession, sentinel: str, attempt: str) -> bool:
    """Whether the sentinel says that the attempt is armed and nothing is held against it.

    Anything else, silence included, means no: replays are the first load to be shed.

    Args:
        session: The HTTP session to ask with.
        sentinel: URL of the sentinel.
        attempt: The live attempt.
    """
    limit = aiohttp.ClientTimeout(total=ANSWER_WITHIN_SECONDS)
    try:
        async with session.get(f"{sentinel.rstrip('/')}/attempts/{attempt}", timeout=limit) as response:
            document = await response.json()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return False
    return (
        bool(document.get("armed")) and document.get("hold") is None and document.get("verdict") != "breach"
    )
