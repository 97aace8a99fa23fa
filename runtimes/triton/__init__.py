"""Triton Inference Server: serves ONNX models, and Python around them, over V2; one server an attempt.

Called by `tasks.package` (package) and `tasks.deploy` (deploy, undeploy).
"""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from runtimes import Capabilities, Endpoint, Made, Source, conversion, wire
from runtimes.triton import config, measuring, repository, server, trial
from runtimes.triton.batching import AT_ONCE, Batching, choose
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.server import Servers
from turnout.fabric.ports import is_free
from turnout.fabric.state import State

READY_WITHIN_SECONDS = 90.0
"""It is ready in 5 s on an idle machine; two loaded cores need a multiple."""


def _locked_environment(name: str) -> Path:
    from turnout.fabric.environments import ensure  # noqa: PLC0415 -- only a deployment needs it

    return ensure(name)


class Triton:
    """The runtime `triton`.

    Args:
        state: The state directory.
        servers: Where servers run.
        environment: Gives the directory of a locked environment by its name.
    """

    name = "triton"
    capabilities = Capabilities(formats=frozenset({"onnx", "python"}), wires=frozenset({Wire.V2}))

    def __init__(
        self, state: State, servers: Servers, *, environment: Callable[[str], Path] = _locked_environment
    ) -> None:
        """Keep where things are; nothing is started."""
        self._state = state
        self._servers = servers
        self._environment = environment

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Convert a model to ONNX, lay it out, and ask the real Triton the golden requests.

        A model behind a transformer becomes one ensemble with it.

        Raises:
            UnsupportedError: Not a framework, or not a form of tensors, that can be converted.
            InvalidInputError: The model file does not load, cannot be converted or does not answer.
            TemporaryError: Triton was not ready in time.
        """
        contract = source.contract
        say(f"{contract.model}: converting {source.path.name} in the environment convert")
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".converted-") as scratch:
            converted = self._converted(source, Path(scratch))
            laid_out = partial(_laid_out, source, converted.model_file, directory)
            started = laid_out(AT_ONCE)
            say(f"{contract.model}: measuring it on Triton, and asking it the golden requests")
            with self._trial(contract, directory) as trying:
                measured, chosen = _batching(trying, source)
                laid_out(chosen)
                trying.reload(_gathering(contract).name)
                answers = [trying.answer(request) for request in source.requests]
        return Made(
            config=started,
            answers=answers,
            found=converted.model,
            measurements=converted.model_dump(mode="json", exclude={"model_file", "answers"}) | measured,
        )

    def _converted(self, source: Source, scratch: Path) -> "conversion.Conversion":
        """The model as ONNX; one behind a transformer is called by that, and by no golden request."""
        inner = source.contract.transformer
        contract = repository.predictor(source.contract)
        return conversion.convert(
            environment=self._environment("convert"),
            framework=source.workload.framework,
            source=source.path,
            contract=contract.model_copy(update={"wire": Wire.V2}) if inner else contract,
            examples=[] if inner else [wire.input_of(contract, request) for request in source.requests],
            directory=scratch,
        )

    def _trial(self, contract: Contract, directory: Path) -> AbstractContextManager[trial.Trial]:
        return trial.started(
            self._servers,
            contract,
            directory,
            spec=partial(
                server.spec,
                installed=server.installation(self._environment("triton")),
                state_root=self._state.root,
            ),
            ready_within_seconds=READY_WITHIN_SECONDS,
        )

    def lay_out(self, model_file: Path, contract: Contract, directory: Path) -> dict[str, Any]:
        """Lay one ONNX file out, its tensors named as in the contract; what the server is started with."""
        return repository.write_onnx(model_file, contract, directory)

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up the attempt's tritonserver on a package; harmless when it is up.

        Raises:
            TemporaryError: It was not ready in time.
            UnsupportedError: The lab's Triton lacks a backend that the package names.
        """
        if isinstance(directory, Endpoint):
            raise InvalidInputError(
                f"triton for {attempt}",
                observed="an endpoint",
                limit="a package's directory",
                remedy="Only bridges stand in front of an endpoint.",
            )
        server.check(directory / "repository")
        ports = self._ports(attempt)
        spec = server.spec(
            name=server_name(attempt),
            attempt=attempt,
            model=contract.model,
            repository=directory / "repository",
            listen=ports,
            installed=server.installation(self._environment("triton")),
            state_root=self._state.root,
        )
        self._servers.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
        return Endpoint(host="127.0.0.1", port=ports.http, grpc_port=ports.grpc)

    def undeploy(self, attempt: str) -> None:
        """End the attempt's tritonserver; harmless when there is none."""
        self._servers.stop(trial.server_name(attempt))
        self._servers.stop(server_name(attempt))
        self._ports_file(attempt).unlink(missing_ok=True)

    def _ports_file(self, attempt: str) -> Path:
        return self._state.work / "triton" / f"{attempt}.ports.json"

    def _ports(self, attempt: str) -> server.Ports:
        """The attempt's ports: the same at each call, unless another program has taken one meanwhile."""
        file = self._ports_file(attempt)
        if file.is_file():
            known = server.Ports.model_validate_json(file.read_text())
            running = self._servers.status(server_name(attempt)).state in {"starting", "ready", "backoff"}
            if running or all(is_free(port) for port in known.all):
                return known
        ports = server.free_ports()
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_suffix(".tmp")
        staged.write_text(ports.model_dump_json())
        staged.replace(file)
        return ports


def server_name(attempt: str) -> str:
    """Name of an attempt's tritonserver among the servers."""
    return f"triton-{attempt}"


def _laid_out(source: Source, model_file: Path, directory: Path, batching: Batching) -> dict[str, Any]:
    contract = source.contract
    if contract.transformer is None:
        return repository.write_onnx(model_file, contract, directory, batching)
    transformer = source.path.parent / contract.transformer.file
    return repository.write_ensemble(model_file, transformer, contract, directory, batching)


def _gathering(contract: Contract) -> config.Model:
    """The model whose requests Triton gathers into batches: the predictor, where there is a transformer."""
    return repository.predicting(contract) if contract.transformer else config.of(contract)


def _batching(trying: trial.Trial, source: Source) -> tuple[dict[str, Any], Batching]:
    """Measure the batcher's settings and choose from them; a model whose shapes forbid batches has none."""
    model = _gathering(source.contract)
    if not model.together or not source.requests:
        return {"batching": {"reason": "its tensors cannot be batched, or there are no requests"}}, AT_ONCE
    alone = measuring.executions(trying, source.requests)
    loads = measuring.loads(trying, model, source.requests, alone)
    choice = choose(
        alone, loads, production_per_second=source.requests_per_second,
        bound_seconds=source.contract.bounds.slow_seconds,
    )  # fmt: skip
    told = {
        "executions": [one.model_dump() for one in alone],
        "loads": [one.model_dump() for one in loads],
        "requests_per_second": source.requests_per_second,
        **choice.model_dump(mode="json"),
    }
    return {"batching": told}, choice.batching
