"""Sends one captured request to a server again."""

import time

import aiohttp

from turnout.domain.route import Backend
from turnout.services.shadow.exchange import Exchange
from turnout.services.shadow.replies import Reply

REPLAY_HEADER = "x-turnout-replay"
"""Marks a replay, so that a server's own logs and counters can tell it from a client's request."""


class Caller:
    """Calls backends directly, with connections kept open.

    Args:
        session: The HTTP session to call with.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Keep the session."""
        self._session = session

    async def replay(self, exchange: Exchange, backend: Backend, *, limit_seconds: float) -> Reply:
        """Send a captured request once; a failure of any kind is a reply without status."""
        url = f"http://{backend.host}:{backend.port}{exchange.path}"
        headers = {**exchange.headers, REPLAY_HEADER: "1"}
        limit = aiohttp.ClientTimeout(total=limit_seconds)
        began = time.monotonic()
        try:
            async with self._session.request(
                exchange.method,
                url,
                data=exchange.request,
                headers=headers,
                timeout=limit,
                allow_redirects=False,
                skip_auto_headers=(
                    "Accept-Encoding",
                    "User-Agent",
                ),  # the client's own request, nothing added
            ) as response:
                body = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return Reply(None, b"", time.monotonic() - began)
        return Reply(response.status, body, time.monotonic() - began)
