"""vLLM: language and embedding models over OpenAI's protocol, batched continuously; one server an attempt.

Called by `tasks.package` (package) and `tasks.deploy` (deploy, undeploy). A model is served as Hugging Face
saved it: nothing is converted, so its first proof is the shadow test. Its weights are not copied into the
registry but named by place and digest; config, tokenizer, chat template and sampling are in the package.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtimes import Capabilities, Endpoint, Made, Source
from runtimes.vllm import engine, server, weights
from runtimes.vllm.arguments import EMBED, PINNED
from turnout.domain.contract import AnswerKind, Contract, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.model_facts import model_facts
from turnout.domain.package import ExternalFiles
from turnout.domain.server import Servers
from turnout.domain.workload import Workload
from turnout.fabric import ports
from turnout.fabric.registry import files
from turnout.fabric.state import State

FOLDER = "weights"
"""Folder of the package that the model lies in."""

CONFIG = "engine.json"
"""File of the package with what it asks of the engine, as its manifest says too: a runtime is given no more
than the directory."""

READY_WITHIN_SECONDS = 300.0
"""It is ready in 70 s on two idle cores; loaded ones need a multiple."""


class VLLM:
    """The runtime `vllm`.

    Args:
        state: The state directory.
        servers: Where servers run.
        elsewhere: Whether models are packaged here and served elsewhere: whether they fit is then asked of
            their pool, when they are deployed.
    """

    name = "vllm"
    capabilities = Capabilities(formats=frozenset({"safetensors"}), wires=frozenset({Wire.OPENAI}))

    def __init__(self, state: State, servers: Servers, *, elsewhere: bool = False) -> None:
        """Keep where things are; nothing is started."""
        self._state = state
        self._servers = servers
        self._elsewhere = elsewhere

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Lay a model out: small files in the package, weights named by place and digest.

        Raises:
            UnsupportedError: Its clients speak something else than OpenAI's protocol.
            InvalidInputError: No folder as Hugging Face saves one, or it would not fit.
        """
        contract, folder = source.contract, source.path
        if contract.wire is not Wire.OPENAI:
            raise UnsupportedError(
                f"package of {contract.model}", observed=f"clients that speak {contract.wire}",
                limit="OpenAI's protocol", remedy="vLLM speaks no other: choose another runtime.",
            )  # fmt: skip
        say(f"{contract.model}: reading the digests of its weights")
        asked = {**PINNED, **_embedding(source), **_owners(source.workload)}
        lab = self._fitting(contract.model, folder, asked)
        found = weights.weight_files(folder)
        _carry(folder, directory / FOLDER)
        (directory / CONFIG).write_text(json.dumps(asked, indent=1, sort_keys=True))
        return Made(
            config={
                "weights": FOLDER,
                "engine": asked,
                "model_config": weights.config(folder),
                "weights_bytes": weights.size_bytes(folder),
            },
            answers=None,
            found=_found(folder),
            measurements={"engine_in_the_lab": lab.model_dump()} if lab else {},
            external=(_external(folder, found),),
        )

    def _fitting(self, model: str, folder: Path, asked: dict[str, Any]) -> engine.Engine | None:
        """The engine's settings on this machine, where the model has to fit if it is served here."""
        if self._elsewhere:
            return None
        return engine.settings(
            model, weights.config(folder), weights.size_bytes(folder), server.place(), asked
        )

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up the attempt's server on a package; harmless when it is up.

        Raises:
            InvalidInputError: The package does not pin what it has to, or does not fit here.
            TemporaryError: It was not ready in time.
        """
        if isinstance(directory, Endpoint):
            raise InvalidInputError(
                f"vllm for {attempt}", observed="an endpoint", limit="a package's directory",
                remedy="Only bridges stand in front of an endpoint.",
            )  # fmt: skip
        folder, asked = directory / FOLDER, json.loads((directory / CONFIG).read_text())
        _pinned(contract.model, asked)
        settings = engine.settings(
            contract.model, weights.config(folder), weights.size_bytes(folder), server.place(), asked
        )
        port = self._port(attempt)
        spec = server.spec(
            name=server_name(attempt), model=contract.model, weights=folder, port=port, settings=settings,
            asked=asked,
        )  # fmt: skip
        self._servers.ensure(spec, ready_within_seconds=READY_WITHIN_SECONDS)
        return Endpoint(host="127.0.0.1", port=port)

    def undeploy(self, attempt: str) -> None:
        """End the attempt's server; harmless when there is none."""
        self._servers.stop(server_name(attempt))
        self._port_file(attempt).unlink(missing_ok=True)

    def _port_file(self, attempt: str) -> Path:
        return self._state.work / "vllm" / f"{attempt}.port"

    def _port(self, attempt: str) -> int:
        """The attempt's port: the same at each call, unless another program has taken it meanwhile."""
        file = self._port_file(attempt)
        if file.is_file():
            known = int(file.read_text())
            running = self._servers.status(server_name(attempt)).state in {"starting", "ready", "backoff"}
            if running or ports.is_free(known):
                return known
        port = ports.pick()
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_suffix(".tmp")
        staged.write_text(str(port))
        staged.replace(file)
        return port


def server_name(attempt: str) -> str:
    """Name of an attempt's server among the servers."""
    return f"vllm-{attempt}"


def _pinned(model: str, asked: dict[str, Any]) -> None:
    """See that the package leaves no default of sampling to a file, and no path to chance."""
    for name, value in PINNED.items():
        if asked.get(name) != value:
            raise InvalidInputError(
                f"package of {model}", observed=f"{name} {asked.get(name)!r}", limit=f"{name} {value!r}",
                remedy="Package the model again: unchanged clients would get other answers.",
            )  # fmt: skip


def _owners(workload: Workload) -> dict[str, Any]:
    """What legacy's owner had set of the engine: the longest sequence, and how many at a time."""
    facts = model_facts(workload)
    said = {"max_model_len": facts.context_tokens, "max_num_seqs": facts.concurrency}
    own = facts.of_config("max_position_embeddings")
    return {name: int(fact.value) for name, fact in said.items() if fact and fact.value != own}


def _embedding(source: Source) -> dict[str, Any]:
    """What vectors take besides; a text may be as long as the model's own folder says."""
    if source.contract.same_answer.kind is not AnswerKind.EMBEDDING:
        return {}
    longest = weights.longest_text(source.path)
    return {**EMBED, **({"max_model_len": longest} if longest else {})}


def _carry(folder: Path, target: Path) -> None:
    for name in weights.CARRIED:
        if (folder / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target / name)


def _external(folder: Path, found: list[Path]) -> ExternalFiles:
    """The weights where they lie; their own digests are the revision, for a folder has no other."""
    described = tuple(f for f in files.describe(folder) if folder / f.path in found)
    return ExternalFiles(
        directory=FOLDER,
        location=folder.resolve().as_uri(),
        revision="-".join(f.sha256[:12] for f in described[:1]),
        files=described,
    )


def _found(folder: Path) -> str:
    """What the model is, for people."""
    said = weights.config(folder)
    kind = (said.get("architectures") or ["a language model"])[0]
    return f"{kind}, {said.get('num_hidden_layers', '?')} layers, {said.get('dtype', 'unknown format')}"
