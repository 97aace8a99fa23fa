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

from runtimes import conversion, wire
from runtimes.conversion import Conversion
from tasks import step
from tasks.plan import inventory_of
from tasks.plan_lines import unblocked
from turnout import __version__
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.proof import Exchange, Proof, prove
from turnout.domain.workload import Workload
from turnout.fabric import environments, storage, whole
from turnout.fabric.registry import files
from turnout.wiring.migrating import Wiring, current

RUNTIME = "triton"
BRIDGE = "ray_serve"


@dataclass(frozen=True)
class _Source:
    """What a package is made from."""

    contract: Contract
    workload: Workload
    file: Path
    sha256: str
    golden: list[dict[str, Any]]

    @property
    def inputs_digest(self) -> str:
        """Digest of all that the package depends on."""
        return digest_of(
            {
                "contract": self.contract.model_dump(mode="json"),
                "framework": self.workload.framework,
                "model_file": self.sha256,
                "golden": self.golden,
            }
        )


@step(name="package model", task_run_name="{attempt}")
def package_model(model: str, attempt: str) -> Evidence:
    """Make, prove and register the package that an attempt moves.

    Returns:
        A pass with the registered version; a fail with the differing examples when the conversion is not
        faithful: then nothing is registered. The attempt names the version from then on.

    Raises:
        NotFoundError: Discovery, plan or baseline have kept nothing yet, or there is no contract.
        InvalidInputError: The model file is missing, does not load or cannot be converted.
        UnsupportedError: Its storage or its framework cannot be handled from here.
        UnreachableError: The registry does not answer.
        RefusedError: The plan has blockers, or the state directory is full.
    """
    wiring = current()
    source = _source(wiring, model)
    known = fresh_pass(wiring.evidence.history(model, Phase.PACKAGE, attempt), source.inputs_digest)
    with room_in(wiring.state.work):
        evidence = known or _made(wiring, attempt, source)
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
    return [_exchange(file, number, line) for number, line in enumerate(file.read_text().splitlines(), 1)]


def _exchange(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        capture = json.loads(line)
        return {side: json.loads(capture[side]) for side in ("request", "response")}
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(
            f"{file}, line {number}", observed=f"{type(error).__name__}: {error}",
            limit="a captured exchange", remedy="Run the baseline again.",
        ) from error  # fmt: skip


def _source(wiring: Wiring, model: str) -> _Source:
    unblocked(wiring.state, model)
    workload = inventory_of(wiring.state).workload(model)
    if workload is None:
        raise NotFoundError(
            model, observed="not in the inventory", limit="a discovered model", remedy="Run discover."
        )
    file = storage.model_file(model, workload.storage_uri, workload.framework, volume=wiring.state.volume)
    return _Source(wiring.contract(model), workload, file, files.sha256(file), golden(wiring, model))


def _made(wiring: Wiring, attempt: str, source: _Source) -> Evidence:
    directory = wiring.state.work / "packages" / attempt
    shutil.rmtree(directory, ignore_errors=True)
    converted = _converted(source, directory / "converted")
    exchanges = [
        Exchange(one["request"], one["response"], wire.answer_with(source.contract, answer))
        for one, answer in zip(source.golden, converted.answers, strict=True)
    ]
    proof = prove(source.contract, exchanges)
    version = None
    if proof.verdict is Verdict.PASS:
        version = wiring.packages.register(_laid_out(wiring, source, converted, directory / "package"))
    evidence = _evidence(attempt, source, converted, proof, version)
    wiring.evidence.write(evidence)
    return evidence


def _converted(source: _Source, directory: Path) -> Conversion:
    print(f"{source.contract.model}: converting {source.file.name} in the environment convert")  # noqa: T201 -- Prefect logs what tasks print
    return conversion.convert(
        environment=environments.ensure("convert", print),
        framework=source.workload.framework,
        source=source.file,
        contract=source.contract,
        examples=[wire.input_of(source.contract, one["request"]) for one in source.golden],
        directory=directory,
    )


def _laid_out(wiring: Wiring, source: _Source, converted: Conversion, directory: Path) -> Path:
    """The package as files: what the runtime wants, and a manifest with every digest."""
    config = wiring.triton.lay_out(converted.model_file, source.contract, directory)
    manifest = PackageManifest(
        model=source.contract.model,
        runtime=RUNTIME,
        files=files.describe(directory),
        runtime_config={
            **config,
            "bridge": _bridge(source.contract),
            "resources": _resources(source.workload),
        },
        contract=source.contract.model_dump(mode="json"),
        source={
            "storage_uri": source.workload.storage_uri,
            "sha256": source.sha256,
            "framework": source.workload.framework,
            "model": converted.model,
        },
    )
    files.write(directory, manifest)
    return directory


def _bridge(contract: Contract) -> str | None:
    return BRIDGE if contract.wire is Wire.V1 else None


def _resources(workload: Workload) -> dict[str, str]:
    predictor = [c.resources for c in workload.components if c.role == "predictor"]
    return predictor[0] if predictor else {}


def _evidence(
    attempt: str, source: _Source, converted: Conversion, proof: Proof, version: PackageVersion | None
) -> Evidence:
    result = {name: value for name, value in asdict(proof).items() if name not in {"verdict", "reason"}}
    result["examples"] = list(proof.examples)  # as it is read back
    return Evidence(
        subject=source.contract.model,
        phase=Phase.PACKAGE,
        attempt=attempt,
        inputs_digest=source.inputs_digest,
        measurements={
            **result,
            "runtime": RUNTIME,
            "bridge": _bridge(source.contract),
            "package": version.model_dump() if version else None,
            "model_file_sha256": source.sha256,
            **converted.model_dump(mode="json", exclude={"model_file", "answers"}),
        },
        bounds={
            "differs": source.contract.bounds.differs,
            **source.contract.same_answer.model_dump(mode="json"),
        },
        verdict=proof.verdict,
        reasons=(proof.reason,),
        code_version=__version__,
        at_seconds=time.time(),
    )


def _name(wiring: Wiring, attempt: str, version: PackageVersion) -> None:
    """Let the attempt and the registry say which package is the candidate."""
    known = wiring.attempts.get(attempt)
    if known.package != version.version:
        wiring.attempts.save(known.model_copy(update={"package": version.version}))
    wiring.packages.mark(version.model, "candidate", version.version)
