"""Deploy: bring the candidate up from its package until real inferences answer, then tell the router.

An acting phase: it always looks at the world and brings it to where it should be. Whether the answers are the
right ones is the shadow test's matter; here they have to come, and to be well-formed.
"""

import time
from dataclasses import dataclass
from functools import partial
from statistics import median

from runtimes import Endpoint, wire
from tasks import step
from tasks.asking import answered
from tasks.gate import passing
from tasks.package import golden, packaged, room_in
from turnout import __version__
from turnout.domain.contract import Contract
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.package import PackageVersion
from turnout.domain.route import Backend, Opening
from turnout.wiring.migrating import Wiring, current

PROOF_REQUESTS = 20
"""Golden requests that have to be answered: the first ones also warm the candidate up."""

ROUNDS = 3
"""A candidate that is still warming up may fail a round; one that fails the last is broken."""

_BETWEEN_ROUNDS_SECONDS = 2.0


@dataclass(frozen=True)
class _Candidate:
    """What is deployed, and where."""

    attempt: str
    contract: Contract
    version: PackageVersion
    endpoint: Endpoint

    @property
    def inputs_digest(self) -> str:
        """Digest of all that the finding depends on."""
        return digest_of(
            {
                "package": self.version.digest,
                "contract": self.contract.model_dump(mode="json"),
                "endpoint": self.endpoint.model_dump(),
            }
        )

    @property
    def opening(self) -> Opening:
        """What the router is told."""
        backend = Backend(name=self.attempt, host=self.endpoint.host, port=self.endpoint.port)
        policy = self.contract.policy
        return Opening(model=self.contract.model, attempt=self.attempt, candidate=backend, policy=policy)


@dataclass(frozen=True)
class _Trial:
    """How the last round of golden requests went; faults are what was wrong, one a failed request."""

    requests: int
    faults: tuple[str, ...]
    seconds: tuple[float, ...] = ()


@step(name="deploy candidate", task_run_name="{attempt}")
def deploy_candidate(model: str, attempt: str) -> Evidence:
    """Bring an attempt's candidate up, prove that it answers, and make it known to the router at weight 0.

    Returns:
        A pass with where it is called; a fail when golden requests are not answered well: then the router
        is told nothing.

    Raises:
        RefusedError: The attempt is over, has no passing package, or another attempt is live.
        PermanentError: A file of the package does not match its digest.
        TemporaryError: A server was not ready in time.
        UnreachableError: The registry, or Ray, does not answer.
    """
    wiring = current()
    _alive(wiring, model, attempt)
    contract, version = wiring.contract(model), _package(wiring, model, attempt)
    candidate = _Candidate(attempt, contract, version, _up(wiring, attempt, contract, version))
    trial = _trial(wiring, candidate)
    if not trial.faults:
        wiring.router.open(candidate.opening)
        known = fresh_pass(wiring.evidence.history(model, Phase.DEPLOY, attempt), candidate.inputs_digest)
        if known:
            return known
    evidence = _evidence(candidate, trial)
    wiring.evidence.write(evidence)
    return evidence


def _alive(wiring: Wiring, model: str, attempt: str) -> None:
    if (stone := wiring.router.tombstone(model, attempt)) is not None:
        raise RefusedError(
            f"deployment of {attempt}", observed=f"ended by {stone.by}: {stone.reason}",
            limit="a live attempt", remedy="Start a new migration of the model.",
        )  # fmt: skip


def _package(wiring: Wiring, model: str, attempt: str) -> PackageVersion:
    evidence = passing(wiring, model, attempt, Phase.PACKAGE)
    if evidence is None:
        raise RefusedError(
            f"deployment of {attempt}", observed="no passing evidence of its package",
            limit="a proved package", remedy="Run the package phase.",
        )  # fmt: skip
    return packaged(evidence)


def _up(wiring: Wiring, attempt: str, contract: Contract, version: PackageVersion) -> Endpoint:
    """Bring up the package's runtime, and the bridge in front of it where the package names one."""
    directory = wiring.state.work / "deployments" / attempt
    with room_in(directory):
        manifest = wiring.packages.fetch(version, directory)
    endpoint = wiring.runtime(manifest.runtime).deploy(attempt, contract, directory)
    bridge = manifest.runtime_config.get("bridge")
    return wiring.runtime(bridge).deploy(attempt, contract, endpoint) if bridge else endpoint


def _trial(wiring: Wiring, candidate: _Candidate) -> _Trial:
    """Send golden requests, again while the candidate warms up; the last round counts."""
    contract, limit = candidate.contract, candidate.contract.policy.request_seconds
    requests = [one["request"] for one in golden(wiring, contract.model)[:PROOF_REQUESTS]]
    ask = partial(wire.predict, candidate.endpoint, contract, timeout_seconds=limit)
    trial = _Trial(requests=0, faults=("the golden set is empty",))
    for number in range(ROUNDS if requests else 0):
        time.sleep(_BETWEEN_ROUNDS_SECONDS if number else 0)
        tried = [answered(contract, ask, request) for request in requests]
        faults = tuple(fault for fault, _ in tried if fault)
        trial = _Trial(len(tried), faults, tuple(seconds for _, seconds in tried))
        if not faults:
            break
    return trial


def _evidence(candidate: _Candidate, trial: _Trial) -> Evidence:
    good = f"{trial.requests} of {trial.requests} golden requests were answered"
    bad = f"{len(trial.faults)} of {trial.requests} golden requests failed: {''.join(trial.faults[:1])}"
    return Evidence(
        subject=candidate.contract.model,
        phase=Phase.DEPLOY,
        attempt=candidate.attempt,
        inputs_digest=candidate.inputs_digest,
        measurements={
            "package": candidate.version.model_dump(),
            "endpoint": candidate.endpoint.model_dump(),
            "requests": trial.requests,
            "failed": len(trial.faults),
            "median_seconds": median(trial.seconds) if trial.seconds else None,
            "slowest_seconds": max(trial.seconds, default=None),
        },
        bounds={"failed": 0},
        verdict=Verdict.FAIL if trial.faults else Verdict.PASS,
        reasons=(bad if trial.faults else good,),
        code_version=__version__,
        at_seconds=time.time(),
    )
