"""Asks the sentinel how it stands with an attempt."""

import httpx
from pydantic import ValidationError

from turnout.domain.canary import SentinelReport

_TIMEOUT_SECONDS = 2.0


class SentinelReports:
    """The sentinel's HTTP interface, read only."""

    def __init__(self, url: str) -> None:
        """Read from the sentinel at this URL."""
        self._url = url.rstrip("/")

    def report(self, attempt: str) -> SentinelReport | None:
        """Return what the sentinel says, or None: it does not answer, or does not know the attempt (yet)."""
        try:
            answer = httpx.get(f"{self._url}/attempts/{attempt}", timeout=_TIMEOUT_SECONDS)
            return SentinelReport.model_validate_json(answer.content) if answer.is_success else None
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError):
            return None
