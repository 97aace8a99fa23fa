"""Adapters that the flows need, built from the settings in force, each when it is first asked for.

A run that wakes at a gate is a new process: it pays only for what it uses (MLflow alone takes seconds).
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnout.domain.approval import Approvals
from turnout.domain.contract import Contract
from turnout.domain.errors import NotFoundError, UnsupportedError
from turnout.domain.evidence import EvidenceStore
from turnout.domain.expectations import Validator
from turnout.domain.inventory import Inventory
from turnout.domain.legacy_size import LegacySize
from turnout.domain.package import PackageRegistry
from turnout.domain.route import Router
from turnout.domain.server import Servers
from turnout.fabric.state import State
from turnout.settings import Settings, find, load

if TYPE_CHECKING:
    from runtimes import Runtime
    from runtimes.kserve import KServe
    from turnout.fabric.attempts import AttemptFiles
    from turnout.fabric.kubernetes.apply import Applier
    from turnout.fabric.kubernetes.inference_services import InferenceServices
    from turnout.fabric.owners import Owners
    from turnout.fabric.sentinel_reports import SentinelReports
    from turnout.fabric.telemetry import AccessLog

# ruff: noqa: PLC0415 -- importing an adapter when it is first used is what this file is for


class Wiring:
    """Every adapter, built once a process.

    Args:
        settings: Where everything is.
        given: Adapters, by attribute name, to use instead of building them; tests give fakes.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:
        """Build nothing yet."""
        self.settings = settings
        self.__dict__.update(given)  # found before a cached_property is worked out

    @cached_property
    def state(self) -> State:
        """The state directory."""
        return State(self.settings.state)

    @cached_property
    def router(self) -> Router:
        """The router that the traffic runs through."""
        from turnout.wiring import guarding

        return guarding.router(self.settings)

    @cached_property
    def telemetry(self) -> "AccessLog":
        """What the router tells of each request."""
        from turnout.wiring import guarding

        return guarding.telemetry(self.settings)

    @cached_property
    def servers(self) -> Servers:
        """Where servers run."""
        from turnout.fabric.processes import Processes

        return Processes(self.state)

    @cached_property
    def evidence(self) -> EvidenceStore:
        """Where evidence is kept."""
        from turnout.fabric.registry.evidence import MlflowEvidence

        return MlflowEvidence(self.settings.mlflow)

    @cached_property
    def packages(self) -> PackageRegistry:
        """Where packages are kept."""
        from turnout.fabric.registry.packages import MlflowPackages

        return MlflowPackages(self.settings.mlflow, volume=self.state.volume)

    @cached_property
    def validator(self) -> Validator:
        """What holds evidence against its suites of expectations."""
        from turnout.fabric.validator import GreatExpectations

        return GreatExpectations(self.state)

    @cached_property
    def approvals(self) -> Approvals:
        """The record of answers at gates."""
        from turnout.fabric.approvals import ApprovalFiles

        return ApprovalFiles(self.state)

    @cached_property
    def attempts(self) -> "AttemptFiles":
        """The attempts and what is known of their course."""
        from turnout.fabric.attempts import AttemptFiles

        return AttemptFiles(self.state)

    @cached_property
    def owners(self) -> "Owners":
        """Who owns what, and their codes."""
        from turnout.fabric.owners import Owners

        return Owners(self.state, self.settings.owners)

    @cached_property
    def sentinel(self) -> "SentinelReports":
        """What the sentinel says."""
        from turnout.fabric.sentinel_reports import SentinelReports

        return SentinelReports(self.settings.sentinel)

    @cached_property
    def legacy(self) -> "KServe":
        """The legacy side: where the settings say; on a cluster, where KServe says, too."""
        from runtimes.kserve import KServe

        if self.settings.estate == "manifests":
            return KServe(self.settings.legacy)
        return KServe(self.settings.legacy, self.inference_services)

    @cached_property
    def inference_services(self) -> "InferenceServices":
        """The InferenceServices of the cluster."""
        from turnout.fabric.kubernetes.inference_services import InferenceServices

        return InferenceServices(self.applier, self.settings.namespaces)

    @cached_property
    def legacy_size(self) -> LegacySize:
        """What keeps legacy at its full size, and ends it: the lab's are processes, others KServe's."""
        if self.settings.estate == "manifests":
            from turnout.fabric.legacy_processes import LegacyProcesses

            return LegacyProcesses(self.state, self.servers)
        from turnout.fabric.kubernetes.legacy import KServeSize

        return KServeSize(self.applier, self._place, self.state.pinned)

    @cached_property
    def applier(self) -> "Applier":
        """The connection to the estate's cluster that writes."""
        from turnout.fabric.kubernetes.apply import Applier

        return Applier(self.settings.kubeconfig, self.settings.context)

    def _place(self, model: str) -> tuple[str, str]:
        """Namespace and name of a model's InferenceService, as discovery found it."""
        file = self.state.work / "inventory.json"
        inventory = Inventory.model_validate_json(file.read_bytes()) if file.is_file() else None
        found = inventory.workload(model) if inventory else None
        if found is None:
            raise NotFoundError(
                f"legacy of {model}", observed="not in the inventory", limit="a discovered workload",
                remedy="Run discover.",
            )  # fmt: skip
        return found.namespace, found.name

    @cached_property
    def triton(self) -> "Runtime":
        """Triton."""
        from runtimes.triton import Triton

        if self.settings.estate == "manifests":
            return Triton(self.state, self.servers)
        from turnout.fabric.own_processes import OwnProcesses

        trial = OwnProcesses()
        return self._deployed(Triton(trial.state, trial))

    @cached_property
    def vllm(self) -> "Runtime":
        """The server of language models."""
        from runtimes.vllm import VLLM

        if self.settings.estate == "manifests":
            return VLLM(self.state, self.servers)
        return self._deployed(VLLM(self.state, self.servers, elsewhere=True))

    @cached_property
    def ray_serve(self) -> "Runtime":
        """Ray Serve: Python models, graphs, the bridges."""
        from runtimes.ray_serve import RayServe

        settings = self.settings
        lab = RayServe(self.state, dashboard=settings.ray_dashboard, proxy=settings.ray_serve)
        return lab if settings.estate == "manifests" else self._deployed(lab)

    def _deployed(self, lab: "Runtime") -> "Runtime":
        """A runtime of the lab as it is on the estate's cluster."""
        from runtimes.kubernetes.deployed import Deployed, Site
        from turnout.wiring.placing import placed

        site = Site(
            state=self.state,
            cluster=self.settings.cluster,
            mlflow=self.settings.mlflow,
            applier=self.applier,
            placed=lambda attempt, model: placed(self.settings, model, self.attempts.get(attempt).package),
        )
        return Deployed(lab, site)

    def runtime(self, name: str) -> "Runtime":
        """The runtime of a name, as plans and packages write it.

        Raises:
            UnsupportedError: Nothing can be deployed on it from here.
        """
        for runtime in self.runtimes():
            if runtime.name == name:
                return runtime
        raise UnsupportedError(
            f"runtime {name}", observed="no adapter for it",
            limit=f"one of {', '.join(runtime.name for runtime in self.runtimes())}",
            remedy="Choose another runtime, or bring the model in a form that one of these serves.",
        )  # fmt: skip

    def runtimes(self) -> tuple["Runtime", ...]:
        """Every runtime, what stands in front of others first."""
        return (self.ray_serve, self.triton, self.vllm)

    def contract(self, model: str) -> Contract:
        """Return a model's contract as its owner wrote it."""
        from turnout.fabric import contracts

        return contracts.load(self.settings.contracts, model)


_built: dict[Path, Wiring] = {}
_given: list[Wiring] = []


def use(wiring: Wiring | None) -> None:
    """Let `current` return this one in this process; None: build from the settings again."""
    _given[:] = [wiring] if wiring else []


def current() -> Wiring:
    """The adapters of this process: those given to `use`, else built from the settings in force."""
    if _given:
        return _given[0]
    file = find()
    if file not in _built:
        _built[file] = Wiring(load(file))
    return _built[file]
