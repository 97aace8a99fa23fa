"""The adapters that the estate's tasks need, all in this process."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from turnout.domain.contract import Bounds, Contract, Rollout, SameAnswer
from turnout.domain.expectations import Evidenced, SuiteResult, Unmet
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.route import Backend, Registration
from turnout.fabric import contracts
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.fabric.telemetry import Cursor
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MANIFEST = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, annotations: {turnout.dev/criticality: low}}
spec:
  predictor:
    sklearn:
      storageUri: pvc://models/iris
      resources: {limits: {cpu: "1", memory: 1Gi}}
"""
POOLS = "pools:\n  - {name: cpu, cpu: 8, memory_gib: 32, nodes: 4, price_per_hour_usd: 0.4}\n"


@dataclass
class Log:
    """A router's log of one model as a list; a read hands out what came since the cursor's offset."""

    records: list[RequestRecord] = field(default_factory=list)

    def end(self, _model: str, **_back: int) -> Cursor:
        """Everything is read from the start."""
        return Cursor()

    def read(self, _model: str, cursor: Cursor | None = None) -> tuple[list[RequestRecord], Cursor]:
        """What is new."""
        offset = cursor.ended if cursor else 0
        return self.records[offset:], Cursor(ended=len(self.records))


@dataclass
class Expecting:
    """Great Expectations' place: what has no rows, or what a test names, is not as expected."""

    unmet: set[Evidenced] = field(default_factory=set)
    pages: list[str] = field(default_factory=list)

    def warm(self) -> None:
        """There is nothing to load."""

    def validate(self, model, checks, parameters, *, run=None):
        """Each table's result; the run is remembered."""
        assert parameters["shadow_samples"] > 0
        self.pages += [f"{model} {run}"] if run else []
        return [self._result(check) for check in checks]

    def _result(self, check):
        name, rows = check.table.name, len(check.table.rows)
        unmet = Unmet(
            suite=name, expectation="expect_enough", where="suite.yaml:5", wanted="", observed=f"{rows} rows"
        )
        fails = name in self.unmet or not rows
        return SuiteResult(suite=name, rows=rows, expectations=1, unmet=(unmet,) if fails else ())


@dataclass
class Estate:
    """One model in files and fakes."""

    root: Path
    wiring: Wiring
    log: Log
    expecting: Expecting

    def traffic(self, requests: int, *, status: int = 200) -> None:
        """Let legacy answer requests until now, 20 a second."""
        now = time.time()
        self.log.records += [
            RequestRecord(
                request_id=f"{len(self.log.records)}-{number}",
                model="iris",
                attempt=None,
                route_version="1",
                arm=Arm.LEGACY,
                weight=0.0,
                started_seconds=now - (requests - number) / 20,
                duration_seconds=0.01,
                status=status,
                answered_by=Arm.LEGACY,
            )
            for number in range(requests)
        ]

    def captures(self, count: int) -> None:
        """Let distinct exchanges be captured, and a line that was cut short."""
        lines = [
            json.dumps(
                {
                    "at": time.time(),
                    "model": "iris",
                    "arm": "legacy",
                    "method": "POST",
                    "path": "/v1/models/iris:predict",
                    "request": json.dumps({"instances": [[number]]}),
                    "response": json.dumps({"predictions": [number % 3]}),
                    "status": 200,
                }
            )
            for number in range(count)
        ]
        file = self.wiring.state.captures("iris")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*lines, '{"at": 1, "mod']))


@pytest.fixture
def estate(tmp_path):
    """One model, iris, known to router, owners, pools and contracts."""
    folders = {name: tmp_path / name for name in ("state", "manifests", "contracts")}
    folders["manifests"].mkdir()
    (folders["manifests"] / "iris.yaml").write_text(MANIFEST)
    (tmp_path / "pools.yaml").write_text(POOLS)
    (tmp_path / "owners.yaml").write_text("owners: {ana: {name: Ana, models: [iris]}}\n")
    contract = Contract(
        model="iris",
        wire="v1",
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind="labels"),
        bounds=Bounds(),
        rollout=Rollout(shadow_samples=30, shadow_longest_seconds=0.01, capture_share=0.5),
    )
    contracts.write(folders["contracts"], contract)
    settings = Settings(**folders, pools=tmp_path / "pools.yaml", owners=tmp_path / "owners.yaml")
    router, log = MemoryRouter(), Log()
    router.register(Registration(model="iris", listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    expecting = Expecting()
    wiring = Wiring(settings, router=router, telemetry=log, evidence=MemoryEvidence(), validator=expecting)
    use(wiring)
    yield Estate(tmp_path, wiring, log, expecting)
    use(None)
