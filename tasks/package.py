"""Package: convert the legacy model, prove the conversion on the golden set, register what was proved.

Nothing is deployed here, and the model file is opened in the environment `convert` alone.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtimes import Made, Source
from tasks import step
from tasks.plan import inventory_of
from tasks.plan_lines import unblocked
from tasks.sufficiency import Sufficiency
from turnout import __version__
from turnout.domain import evidence_tables
from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.expectations import Evidenced, SuiteResult, measured, reasons
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.proof import UNCONVERTED, Exchange, Proof, prove
from turnout.domain.workload import Workload
from turnout.fabric import storage, whole
from turnout.fabric.registry import files
from turnout.wiring.migrating import Wiring, current


@dataclass(frozen=True)
class _Ordered:
    """What a package is made from, and where it is to run.

    Attributes:
        source: The model, its contract and the golden requests.
        sha256: Digest of the model's file or folder.
        golden: The golden set, requests and legacy's answers parsed.
        runtime: Runtime that the plan names.
        bridge: What stands in front of it, where clients need that.
        asked: What is expected of the golden set.
    """

    source: Source
    sha256: str
    golden: list[dict[str, Any]]
    runtime: str
    bridge: str | None
    asked: Sufficiency

    @property
    def contract(self) -> Contract:
        """The contract."""
        return self.source.contract

    @property
    def inputs_digest(self) -> str:
        """Digest of all that the package depends on."""
        return digest_of(
            {
                "contract": self.contract.model_dump(mode="json"),
                "framework": self.source.workload.framework,
                "model_file": self.sha256,
                "golden": self.golden,
                "runtime": [self.runtime, self.bridge],
                "suites": self.asked.digest,
            }
        )


@dataclass(frozen=True)
class _Judged:
    """What was shown of a package: the proof, the golden set that it rests on, the version if it passed."""

    proof: Proof
    results: list[SuiteResult]
    version: PackageVersion | None

    @property
    def unmet(self) -> tuple[str, ...]:
        """Why a proof does not count: what its golden set lacks. A difference that was seen counts anyway."""
        return reasons(self.results) if self.proof.verdict is Verdict.PASS else ()


@step(name="package model", task_run_name="{attempt}")
def package_model(model: str, attempt: str) -> Evidence:
    """Make, prove and register the package that an attempt moves.

    Returns:
        A pass with the registered version, which the attempt names from then on; a fail with the differing
        examples when the conversion is not faithful; a hold when the golden set is not what its suite
        expects. Without a pass nothing is registered.

    Raises:
        NotFoundError: Discovery, plan or baseline have kept nothing yet, or there is no contract.
        InvalidInputError: The model file is missing, does not load or cannot be converted.
        UnsupportedError: Its storage or its framework cannot be handled from here.
        UnreachableError: The registry does not answer.
        RefusedError: The plan has blockers, or the state directory is full.
    """
    wiring = current()
    ordered = _ordered(wiring, model)
    known = fresh_pass(wiring.evidence.history(model, Phase.PACKAGE, attempt), ordered.inputs_digest)
    with room_in(wiring.state.work):
        evidence = known or _made(wiring, attempt, ordered)
    if evidence.verdict is Verdict.PASS:
        _name(wiring, attempt, packaged(evidence))
    return evidence


def packaged(evidence: Evidence) -> PackageVersion:
    """The version that passing evidence of this phase tells of."""
    return PackageVersion.model_validate(evidence.measurements["package"])


@contextmanager
def room_in(directory: Path) -> Iterator[None]:
    """Turn a full disk into one clear error.

    Raises:
        RefusedError: There is no room left.
    """
    try:
        yield
    except OSError as error:
        if whole.is_full(error):
            raise whole.full(directory) from error
        raise


def golden(wiring: Wiring, model: str) -> list[dict[str, Any]]:
    """The golden set: requests of production with legacy's answers, both parsed.

    Raises:
        NotFoundError: The baseline has kept none.
        InvalidInputError: A line cannot be read.
    """
    file = wiring.state.work / "golden" / f"{model}.jsonl"
    if not file.is_file():
        raise NotFoundError(
            f"golden set of {model}", observed="nothing kept", limit=str(file), remedy="Run the baseline."
        )  # fmt: skip
    contract, lines = wiring.contract(model), file.read_text().splitlines()
    return [_exchange(contract, file, number, line) for number, line in enumerate(lines, 1)]


def _exchange(contract: Contract, file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        capture = json.loads(line)
        return {
            "request": json.loads(capture["request"]),
            "response": parsed(contract, capture["response"]),
        }
    except (ValueError, LookupError, TypeError, AttributeError, MalformedError) as error:
        raise InvalidInputError(
            f"{file}, line {number}", observed=f"{type(error).__name__}: {error}",
            limit="a captured exchange", remedy="Run the baseline again.",
        ) from error  # fmt: skip


def _ordered(wiring: Wiring, model: str) -> _Ordered:
    line = unblocked(wiring.state, model)
    workload = inventory_of(wiring.state).workload(model)
    if workload is None or line.runtime is None:
        raise NotFoundError(
            model, observed="not in the inventory", limit="a discovered model", remedy="Run discover."
        )
    kept = golden(wiring, model)
    contract = wiring.contract(model)
    members = {one.name: (one, _stored(wiring, one)) for one in workload.members}
    source = Source(
        contract=contract,
        workload=workload,
        path=wiring.state.volume if members else _stored(wiring, workload),
        requests=[one["request"] for one in kept],
        requests_per_second=_rate(wiring, model),
        members=members,
    )
    asked = Sufficiency(wiring, contract, (Evidenced.GOLDEN_SET,))
    return _Ordered(source, _sha256(source), kept, line.runtime, line.bridge, asked)


def _rate(wiring: Wiring, model: str) -> float | None:
    """Requests a second that the last passing baseline saw."""
    found = [e for e in wiring.evidence.history(model, Phase.BASELINE) if e.verdict is Verdict.PASS]
    rate = found[-1].measurements.get("throughput_per_second") if found else None
    return float(rate) if rate else None


def _stored(wiring: Wiring, workload: Workload) -> Path:
    """Where a model lies: its file, or its folder."""
    uri, framework = workload.storage_uri, workload.framework
    return storage.model_file(workload.name, uri, framework, volume=wiring.state.volume)


def _sha256(source: Source) -> str:
    """Digest of the model, of all models of a graph, and of the code that stands in front of it."""
    if source.members:
        return digest_of({name: files.sha256_of_model(path) for name, (_, path) in source.members.items()})
    model, transformer = files.sha256_of_model(source.path), source.contract.transformer
    if transformer is None:
        return model
    beside = source.path.parent / transformer.file
    if not beside.is_file():
        raise InvalidInputError(
            f"transformer of {source.contract.model}", observed=f"no {beside}",
            limit="transformer.file beside the model", remedy="Put the file there, or correct the contract.",
        )  # fmt: skip
    return digest_of({"model": model, "transformer": files.sha256(beside)})


def _made(wiring: Wiring, attempt: str, ordered: _Ordered) -> Evidence:
    directory = wiring.state.work / "packages" / attempt
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    wiring.validator.warm()
    made = wiring.runtime(ordered.runtime).package(ordered.source, directory, print)
    proof, results = _proof(ordered, made), _golden_held(wiring, attempt, ordered)
    version = None
    if proof.verdict is Verdict.PASS and not reasons(results):
        files.write(directory, _manifest(ordered, made, directory))
        version = wiring.packages.register(directory)
    evidence = _evidence(attempt, ordered, made, _Judged(proof, results, version))
    wiring.evidence.write(evidence)
    return evidence


def _golden_held(wiring: Wiring, attempt: str, ordered: _Ordered) -> list[SuiteResult]:
    """Hold the golden set as it is now against its suite; the baseline says how much it was chosen from."""
    lines = [{side: json.dumps(part) for side, part in one.items()} for one in ordered.golden]
    found = wiring.evidence.history(ordered.contract.model, Phase.BASELINE)
    measured_then = next((one.measurements for one in reversed(found) if one.verdict is Verdict.PASS), {})
    return ordered.asked.held(
        [evidence_tables.golden_set(lines)],
        run=f"{attempt}-{Phase.PACKAGE}",
        captured=int(measured_then.get("captures", {}).get("usable", 0)),
        distinct=int(measured_then.get("golden_requests", 0)),
    )


def _proof(ordered: _Ordered, made: Made) -> Proof:
    """Hold what was laid out against legacy's answers; what is served as it is has nothing converted."""
    if made.answers is None:
        return UNCONVERTED
    return prove(
        ordered.contract,
        [
            Exchange(one["request"], one["response"], answer)
            for one, answer in zip(ordered.golden, made.answers, strict=True)
        ],
    )


def _manifest(ordered: _Ordered, made: Made, directory: Path) -> PackageManifest:
    """What the package says of itself, with the digest of every file."""
    workload = ordered.source.workload
    return PackageManifest(
        model=ordered.contract.model,
        runtime=ordered.runtime,
        files=files.describe(directory),
        runtime_config={**made.config, "bridge": ordered.bridge, "resources": _resources(workload)},
        contract=ordered.contract.model_dump(mode="json"),
        source={
            "storage_uri": workload.storage_uri,
            "sha256": ordered.sha256,
            "framework": workload.framework,
            "model": made.found,
        },
        external=made.external,
    )


def _resources(workload: Workload) -> dict[str, str]:
    predictor = [c.resources for c in workload.components if c.role == "predictor"]
    return predictor[0] if predictor else {}


def _evidence(attempt: str, ordered: _Ordered, made: Made, judged: _Judged) -> Evidence:
    proof, version = judged.proof, judged.version
    result = {name: value for name, value in asdict(proof).items() if name not in {"verdict", "reason"}}
    result["examples"] = list(proof.examples)  # as it is read back
    return Evidence(
        subject=ordered.contract.model,
        phase=Phase.PACKAGE,
        attempt=attempt,
        inputs_digest=ordered.inputs_digest,
        measurements={
            **result,
            "runtime": ordered.runtime,
            "bridge": ordered.bridge,
            "package": version.model_dump() if version else None,
            "model_file_sha256": ordered.sha256,
            "model": made.found,
            **made.measurements,
            **measured(judged.results),
        },
        bounds={
            "differs": ordered.contract.bounds.differs,
            **ordered.contract.same_answer.model_dump(mode="json"),
        },
        verdict=Verdict.HOLD if judged.unmet else proof.verdict,
        reasons=judged.unmet or (proof.reason,),
        code_version=__version__,
        at_seconds=time.time(),
    )


def _name(wiring: Wiring, attempt: str, version: PackageVersion) -> None:
    """Let the attempt and the registry say which package is the candidate."""
    known = wiring.attempts.get(attempt)
    if known.package != version.version:
        wiring.attempts.save(known.model_copy(update={"package": version.version}))
    wiring.packages.mark(version.model, "candidate", version.version)
