"""Triton Inference Server: serves ONNX models over V2; one server process an attempt.

Called by `tasks.package` (package) and `tasks.deploy` (deploy, undeploy).
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtimes import Capabilities, Endpoint, Made, Source, conversion, wire
from runtimes.triton import config, server
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
    capabilities = Capabilities(formats=frozenset({"onnx"}), wires=frozenset({Wire.V2}))

    def __init__(
        self, state: State, servers: Servers, *, environment: Callable[[str], Path] = _locked_environment
    ) -> None:
        """Keep where things are; nothing is started."""
        self._state = state
        self._servers = servers
        self._environment = environment

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Convert a model to ONNX in the environment `convert`, run it on the golden requests, lay it out.

        Raises:
            UnsupportedError: Not a framework, or not a form of tensors, that can be converted.
            InvalidInputError: The model file does not load or cannot be converted.
        """
        contract = source.contract
        say(f"{contract.model}: converting {source.path.name} in the environment convert")
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".converted-") as scratch:
            converted = conversion.convert(
                environment=self._environment("convert"),
                framework=source.workload.framework,
                source=source.path,
                contract=contract,
                examples=[wire.input_of(contract, request) for request in source.requests],
                directory=Path(scratch),
            )
            laid_out = self.lay_out(converted.model_file, contract, directory)
        return Made(
            config=laid_out,
            answers=[wire.answer_with(contract, answer) for answer in converted.answers],
            found=converted.model,
            measurements=converted.model_dump(mode="json", exclude={"model_file", "answers"}),
        )

    def lay_out(self, model_file: Path, contract: Contract, directory: Path) -> dict[str, Any]:
        """Lay an ONNX file out as a standard Triton repository: MODEL/config.pbtxt and MODEL/1/model.onnx.

        Args:
            model_file: The ONNX model; its tensors are named as in the contract.
            contract: The contract.
            directory: Root of the package; the repository is its folder `repository`.

        Returns:
            What the server is started with: repository (path below the root), model, backend.
        """
        model = directory / "repository" / contract.model
        (model / "1").mkdir(parents=True, exist_ok=True)
        (model / "config.pbtxt").write_text(config.render(contract))
        shutil.copyfile(model_file, model / "1" / "model.onnx")
        return {"repository": "repository", "model": contract.model, "backend": "onnxruntime"}

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up the attempt's tritonserver on a package; harmless when it is up.

        Raises:
            TemporaryError: It was not ready in time.
        """
        if isinstance(directory, Endpoint):
            raise InvalidInputError(
                f"triton for {attempt}",
                observed="an endpoint",
                limit="a package's directory",
                remedy="Only bridges stand in front of an endpoint.",
            )
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
