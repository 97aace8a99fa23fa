"""A client of Prometheus' HTTP API, as far as Turnout asks it: instant queries, and what there is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from turnout.domain.errors import InvalidInputError, TemporaryError, UnreachableError
from turnout.domain.traffic import Sample

_DENIED = (401, 403)
_BUSY = (408, 429)
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One Prometheus, or what speaks its API (Thanos, Mimir, a managed service).

    Attributes:
        url: Its URL; a path in it is kept.
        token_file: File of a bearer token, read for each request: mounted tokens are exchanged as they age.
        timeout_seconds: Longest wait for one answer; Prometheus is told to give up as soon.
    """

    url: str
    token_file: Path | None = None
    timeout_seconds: float = 120.0

    def query(self, promql: str, *, at_seconds: float) -> tuple[Sample, ...]:
        """Evaluate an expression at one moment.

        Args:
            promql: The expression; it has to give a vector.
            at_seconds: Unix time of the moment.

        Returns:
            A sample for each series of the answer, values that are no number included.

        Raises:
            UnreachableError: It does not answer.
            TemporaryError: It has no time or room for the query, or answers only in part.
            InvalidInputError: It refuses the query or the token, or is no Prometheus.
        """
        form = {"query": promql, "time": f"{at_seconds:.3f}", "timeout": f"{self.timeout_seconds:g}s"}
        data = self._ask("query", form)
        if not isinstance(data, dict) or data.get("resultType") != "vector":
            raise self._foreign("an answer that is not a vector")
        try:
            return tuple(Sample(one["metric"], float(one["value"][1])) for one in data["result"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise self._foreign(f"a vector that cannot be read ({error!r})") from error

    def there(self, names: tuple[str, ...], *, start_seconds: float, end_seconds: float) -> frozenset[str]:
        """Which of these metrics have a series within a time. Asked of the index: cheap for any estate.

        Raises:
            UnreachableError: It does not answer.
            TemporaryError: It has no time or room, or answers only in part.
            InvalidInputError: It refuses the token, or is no Prometheus.
        """
        matcher = f'{{__name__=~"{"|".join(names)}"}}'
        span = {"start": f"{start_seconds:.3f}", "end": f"{end_seconds:.3f}"}
        found = self._ask("label/__name__/values", {"match[]": matcher, **span}, method="GET")
        return frozenset(str(name) for name in found or ())

    def _ask(self, path: str, fields: dict[str, str], method: str = "POST") -> Any:
        where = f"{self.url.rstrip('/')}/api/v1/{path}"
        try:
            answer = httpx.request(
                method,
                where,
                params=fields if method == "GET" else None,
                data=fields if method == "POST" else None,
                headers=self._headers(),
                timeout=self.timeout_seconds + 5,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(
                self._subject,
                observed=str(error) or type(error).__name__,
                limit="an answer",
                remedy="Check the URL and that Prometheus is up; SSL_CERT_FILE names a private CA.",
            ) from error
        return self._read(answer)

    def _headers(self) -> dict[str, str]:
        if self.token_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        except OSError as error:
            raise InvalidInputError(
                str(self.token_file),
                observed=error.strerror or str(error),
                limit="a readable file with a bearer token",
                remedy="Correct prometheus_token_file in the settings, or --prometheus-token-file.",
            ) from error

    def _read(self, answer: httpx.Response) -> Any:
        try:
            document = answer.json()
        except ValueError:
            document = {}
        told = document if isinstance(document, dict) else {}
        reason = f"{answer.status_code}: {told.get('error') or answer.reason_phrase}"
        if answer.status_code in _DENIED:
            raise self._refused(reason, "a token that may query", "Set prometheus_token_file.")
        if answer.status_code in _BUSY or answer.status_code >= _SERVER_ERROR:
            raise self._short_of(reason)
        if not told:
            raise self._foreign(f"{answer.status_code} and no JSON")
        if told.get("status") != "success":
            remedy = "Ask for a shorter window." if "too many samples" in reason else "Check its version."
            raise self._refused(reason, "a query that it can evaluate", remedy)
        partial = [one for one in told.get("warnings", ()) if not str(one).startswith("PromQL ")]
        if partial:  # Thanos and its like answer without the stores that they could not reach
            raise self._short_of(f"an answer in part: {partial[0]}")
        return told.get("data")

    @property
    def _subject(self) -> str:
        return f"Prometheus at {self.url}"

    def _foreign(self, observed: str) -> InvalidInputError:
        return self._refused(observed, "Prometheus' HTTP API", "Check the URL: it ends before /api/v1.")

    def _refused(self, observed: str, limit: str, remedy: str) -> InvalidInputError:
        return InvalidInputError(self._subject, observed=observed, limit=limit, remedy=remedy)

    def _short_of(self, observed: str) -> TemporaryError:
        return TemporaryError(
            self._subject,
            observed=observed,
            limit="a whole answer in time",
            remedy="Try again, or ask for a shorter window.",
        )
