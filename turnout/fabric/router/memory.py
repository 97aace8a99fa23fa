"""A router without servers, for tests of whatever moves traffic. Keeps the same promises as the real one."""

import threading
import time

from turnout.domain.route import Opening, Registration, Route, RouteChange, Tombstone
from turnout.fabric.router.naming import check_attempt, check_model
from turnout.fabric.router.refusals import occupied, require_live, tombstoned, unknown
from turnout.fabric.router.standing import Standing, changed, opened


class MemoryRouter:
    """Routes of all models, in this process."""

    def __init__(self) -> None:
        """Start without models."""
        self._lock = threading.RLock()
        self._registered: dict[str, Registration] = {}
        self._legacy: dict[str, Standing] = {}
        self._live: dict[str, Standing] = {}
        self._openings: dict[str, Opening] = {}
        self._tombstones: dict[str, Tombstone] = {}

    def register(self, registration: Registration) -> Route:
        """See `Router.register`."""
        model = check_model(registration.model)
        with self._lock:
            known = self._registered.get(model, registration)
            self._registered[model] = registration
            now = self._legacy.setdefault(model, Standing(model=model))
            if known.policy != registration.policy and model not in self._live:
                self._legacy[model] = now.model_copy(update={"number": now.number + 1})
            return self.read(model)

    def read(self, model: str) -> Route:
        """See `Router.read`."""
        with self._lock:
            registration = self._registration(model)
            now = self._live.get(model) or self._legacy[model]
            return Route(
                model=model,
                version=now.version,
                stable=registration.stable,
                candidate=self._openings[now.attempt].candidate if now.attempt else None,
                weight=now.weight,
                capture_share=now.capture_share,
                attempt=now.attempt,
                step_lease_seconds=now.step_lease_seconds,
                listen_port=registration.listen_port,
            )

    def open(self, opening: Opening) -> Route:
        """See `Router.open`."""
        attempt = check_attempt(opening.model, opening.attempt)
        with self._lock:
            self._registration(opening.model)
            if (tombstone := self._tombstones.get(attempt)) is not None:
                raise tombstoned(attempt, tombstone.reason)
            live = self._live.get(opening.model)
            if live is not None and live.attempt != attempt:
                raise occupied(opening.model, str(live.attempt), attempt)
            self._openings[attempt] = opening
            self._live.setdefault(opening.model, opened(self._legacy[opening.model], attempt))
            return self.read(opening.model)

    def change(self, change: RouteChange) -> Route:
        """See `Router.change`."""
        with self._lock:
            self._registration(change.model)
            if change.attempt is not None:
                check_attempt(change.model, change.attempt)
            live = self._live.get(change.model)
            require_live(change.model, live.attempt if live else None, change.attempt)
            states = self._legacy if live is None else self._live
            states[change.model] = changed(states[change.model], change)
            return self.read(change.model)

    def roll_back(self, model: str, attempt: str, *, reason: str, by: str) -> Tombstone:
        """See `Router.roll_back`."""
        check_attempt(model, attempt)
        with self._lock:
            self._registration(model)
            made = Tombstone(model=model, attempt=attempt, reason=reason, by=by, at_seconds=time.time())
            if (live := self._live.get(model)) is not None and live.attempt == attempt:
                del self._live[model]
            return self._tombstones.setdefault(attempt, made)

    def under_way(self, model: str, attempt: str) -> int:
        """See `Router.under_way`; nobody sends requests here."""
        check_attempt(model, attempt)
        self._registration(model)
        return 0

    def tombstone(self, model: str, attempt: str) -> Tombstone | None:
        """See `Router.tombstone`."""
        check_attempt(model, attempt)
        with self._lock:
            self._registration(model)
            return self._tombstones.get(attempt)

    def _registration(self, model: str) -> Registration:
        if check_model(model) in self._registered:
            return self._registered[model]
        raise unknown(model, self._registered)
