"""The lab's router: Envoy, following one folder of files a model.

Every state is in those files (`directory`): the router follows them, and reads them again when it starts.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from turnout.domain.errors import TemporaryError, UnreachableError
from turnout.domain.route import Backend, Opening, Registration, Route, RouteChange, Tombstone
from turnout.domain.server import ServerSpec
from turnout.fabric import whole
from turnout.fabric.router import ending, envoy_config, envoy_names, hot_restart, route_document
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.directory import Life, RouteDirectory
from turnout.fabric.router.ending import REGISTRATION
from turnout.fabric.router.naming import check_attempt, check_model
from turnout.fabric.router.publishing import OPENING, Publisher
from turnout.fabric.router.refusals import occupied, tombstoned
from turnout.fabric.router.standing import Standing, changed, opened
from turnout.fabric.state import State

_REPORT_SECONDS = 10.0
"""A new cluster is known once its first health checks have ended: 1 s when the sentinel is silent."""
_ROLLBACK_REPORT_SECONDS = 2.0
_POLL_SECONDS = 0.005
_PARENT_SHUTDOWN_SECONDS = 10
"""After a hot restart the old process goes on with its connections for so long: each is told to close with
its next answer, and none is cut off."""


def prepare(state: State, *, admin_port: int, sentinel_port: int, capture_port: int) -> Path:
    """Write what Envoy starts with. Models registered before keep their listeners.

    Args:
        state: The state directory.
        admin_port: TCP port of Envoy's admin interface.
        sentinel_port: TCP port of the sentinel, which says whether a candidate is guarded.
        capture_port: TCP port of the shadow service's gRPC receiver.

    Returns:
        The bootstrap file.
    """
    folder = state.envoy.absolute()
    publisher = Publisher(_absolute(state))
    publisher.guard_at(Backend(name="sentinel", host=envoy_config.HERE, port=sentinel_port))
    publisher.publish()
    document = envoy_config.bootstrap(admin_port=admin_port, capture_port=capture_port, folder=folder)
    whole.write(folder / "bootstrap.json", json.dumps(document, indent=1))
    return folder / "bootstrap.json"


def server(state: State, *, admin_port: int) -> ServerSpec:
    """Envoy as a server of the lab; `prepare` comes first. SIGHUP replaces it without a closed door."""
    return ServerSpec(
        name="envoy",
        environment="envoy",
        command=(
            # The package's own `envoy` command ends with its parent, and cannot be replaced while it serves.
            *("python", "-P", str(Path(hot_restart.__file__).resolve())),
            *("-c", str(state.envoy.absolute() / "bootstrap.json")),
            *("--base-id", str(hot_restart.base_id(state.root))),  # two labs on one machine share nothing
            *("--parent-shutdown-time-s", str(_PARENT_SHUTDOWN_SECONDS)),
            # Each process counts its own requests: two counts, added up late, would look like lost lines.
            "--skip-hot-restart-parent-stats",
            *("--concurrency", "2"),
            *("--file-flush-interval-msec", "100"),
            *("--drain-time-s", "1"),
            *("--log-level", "warning"),
            # Otherwise a line for each exchange that could not be captured, which fills the disk.
            *("--component-log-level", "ext_proc:error"),
        ),
        ready_url=f"http://{envoy_config.HERE}:{admin_port}/ready",
        ports=(admin_port,),
    )


class EnvoyRouter:
    """Routes of all models in one Envoy.

    Args:
        state: The state directory.
        admin_url: URL of Envoy's admin interface.
    """

    def __init__(self, state: State, *, admin_url: str) -> None:
        """Keep where things are; nothing is touched."""
        self._state = _absolute(state)
        self._publisher = Publisher(self._state)
        self._admin = EnvoyAdmin(admin_url)

    def register(self, registration: Registration) -> Route:
        """See `Router.register`. With Envoy down it is done when the files are."""
        model = check_model(registration.model)
        directory = self._directory(model)
        with _room(directory.folder):
            document = _document(Standing(model=model), registration, None)
            is_new = directory.found(document, {REGISTRATION: registration.model_dump_json().encode()})
            if not is_new:
                self._register_again(registration)
            self._publisher.publish()
        with contextlib.suppress(UnreachableError):
            self._await(
                "listener", model, lambda: f"{model}:{registration.listen_port}" in self._admin.listeners()
            )
            self._await("clusters", model, self._follows_clusters)
            self._await_version(model)
        route = self.read(model)
        if is_new:
            self._remember("register", route)
        return route

    def read(self, model: str) -> Route:
        """See `Router.read`. Read from the files that Envoy follows: cheap, and there when Envoy is not."""
        registration = self._publisher.registration(check_model(model))
        standing = route_document.parse(self._directory(model).document())
        attempt = standing.attempt
        return Route(
            model=model,
            version=standing.version,
            stable=registration.stable,
            candidate=self._publisher.opening(model, attempt).candidate if attempt else None,
            weight=standing.weight,
            capture_share=standing.capture_share,
            attempt=attempt,
            step_lease_seconds=standing.step_lease_seconds,
            listen_port=registration.listen_port,
        )

    def open(self, opening: Opening) -> Route:
        """See `Router.open`. A live attempt's candidate may move to another address."""
        model, attempt = opening.model, check_attempt(opening.model, opening.attempt)
        directory = self._directory(model)
        self._require_free(directory, attempt)
        with _room(directory.folder):
            self._stage(opening)
            self._publisher.publish()
        self._await_clusters(model, attempt)
        directory.open(attempt)
        directory.poke()
        self._await_version(model)
        directory.require_live(attempt)
        return self._remember("open", self.read(model))

    def change(self, change: RouteChange) -> Route:
        """See `Router.change`."""
        model = change.model
        registration = self._publisher.registration(check_model(model))
        if change.attempt is not None:
            check_attempt(model, change.attempt)

        def decide(document: bytes) -> bytes:
            standing = changed(route_document.parse(document), change)
            opening = self._publisher.opening(model, change.attempt) if change.attempt else None
            return _document(standing, registration, opening)

        directory = self._directory(model)
        with _room(directory.folder):
            directory.change(change.attempt, decide)
        self._await_version(model)
        directory.require_live(change.attempt)
        return self._remember("change", self.read(model))

    def roll_back(self, model: str, attempt: str, *, reason: str, by: str) -> Tombstone:
        """See `Router.roll_back`. The traffic first, then the reason, then a bounded wait for a report."""
        directory = ending.directory_of(self._state.routes, model)
        made = ending.end(directory, attempt, reason=reason, by=by)
        with contextlib.suppress(
            TemporaryError
        ):  # also when Envoy is down: it reads the files when it starts
            self._await_version(model, _ROLLBACK_REPORT_SECONDS)
        directory.settle(attempt)
        return Tombstone(**asdict(made))

    def under_way(self, model: str, attempt: str) -> int:
        """See `Router.under_way`."""
        check_attempt(model, attempt)
        self._publisher.registration(model)
        return self._admin.active(envoy_names.candidate_cluster(attempt))

    def tombstone(self, model: str, attempt: str) -> Tombstone | None:
        """See `Router.tombstone`."""
        check_attempt(model, attempt)
        directory = ending.directory_of(self._state.routes, model)
        if directory.life(attempt) is not Life.ENDED:
            return None
        if (written := ending.epitaph(directory, attempt)) is not None:
            return Tombstone(**asdict(written))
        unknown = "the reason could not be recorded"
        at_seconds = directory.ended_seconds(attempt)
        return Tombstone(model=model, attempt=attempt, reason=unknown, by="unknown", at_seconds=at_seconds)

    def reported_version(self, model: str) -> str | None:
        """Version of the route that Envoy itself reports.

        Raises:
            UnreachableError: Envoy does not answer.
        """
        return self._admin.route_version(model)

    def models(self) -> list[str]:
        """Names of the registered models."""
        return self._publisher.models()

    def _directory(self, model: str) -> RouteDirectory:
        return RouteDirectory(self._state.routes / model)

    def _register_again(self, registration: Registration) -> None:
        known = self._publisher.registration(registration.model)
        if known == registration:
            return
        directory = self._directory(registration.model)
        content = registration.model_dump_json()
        whole.write(directory.folder / REGISTRATION, content)
        if known.policy != registration.policy and directory.live() is None:
            directory.change(None, lambda old: _document(_next(old), registration, None))

    def _require_free(self, directory: RouteDirectory, attempt: str) -> None:
        self._publisher.registration(directory.folder.name)
        if directory.life(attempt) is Life.ENDED:
            grave = self.tombstone(directory.folder.name, attempt)
            raise tombstoned(attempt, grave.reason if grave else None)
        if (live := directory.live()) not in (None, attempt):
            raise occupied(directory.folder.name, str(live), attempt)

    def _stage(self, opening: Opening) -> None:
        directory = self._directory(opening.model)
        registration = self._publisher.registration(opening.model)
        legacy = route_document.parse(directory.legacy_document())
        document = _document(opened(legacy, opening.attempt), registration, opening)
        content = opening.model_dump_json().encode()
        if directory.prepare(opening.attempt, document, {OPENING: content}):
            return
        if self._publisher.opening(opening.model, opening.attempt) != opening:
            directory.rewrite(opening.attempt, OPENING, content)

    def _await_clusters(self, model: str, attempt: str) -> None:
        """Until Envoy would send to the candidate: a route to a cluster that it does not know answers 503."""
        wanted = {envoy_names.candidate_cluster(attempt), envoy_names.shielded_cluster(attempt)}

        def known() -> bool:
            return self._follows_clusters() and wanted <= self._admin.clusters().keys()

        self._await("clusters of the candidate", model, known)

    def _follows_clusters(self) -> bool:
        current = self._admin.versions().get("cluster_manager.cds.version_text")
        return current == self._publisher.published("cds.json")

    def _await_version(self, model: str, seconds: float = _REPORT_SECONDS) -> None:
        """Until Envoy reports the version that the files hold now (a later one than ours is as good)."""
        directory = self._directory(model)

        def reported() -> bool:
            return self._admin.route_version(model) == route_document.parse(directory.document()).version

        self._await("route", model, reported, seconds)

    @staticmethod
    def _await(what: str, model: str, is_so: Callable[[], bool], seconds: float = _REPORT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() >= deadline:
                raise TemporaryError(
                    f"{what} of {model}",
                    observed=f"not reported by Envoy within {seconds:g} s",
                    limit="Envoy's report that it follows the files",
                    remedy="Look into Envoy's log for a rejected update, then try again.",
                )
            time.sleep(_POLL_SECONDS)

    def _remember(self, event: str, route: Route) -> Route:
        standing = {"attempt": route.attempt, "weight": route.weight, "capture_share": route.capture_share}
        ending.remember(self._directory(route.model), event, route.version, **standing)
        return route


def _absolute(state: State) -> State:
    return State(state.root.absolute())


def _document(standing: Standing, registration: Registration, opening: Opening | None) -> bytes:
    policy = opening.policy if opening else None
    return route_document.render(standing, legacy=registration.policy, candidate=policy)


def _next(document: bytes) -> Standing:
    now = route_document.parse(document)
    return now.model_copy(update={"number": now.number + 1})


@contextlib.contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Turn a full disk into one clear error."""
    try:
        yield
    except OSError as error:
        if whole.is_full(error):
            raise whole.full(folder) from error
        raise
