"""The legacy model servers: the KServe SDK's, and MLServer; one process a model."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from turnout.domain.contract import Wire
from turnout.domain.server import ServerSpec
from turnout.fabric import documents, whole
from turnout.fabric.state import State
from turnout.lab import graph_router, language_model
from turnout.lab.estate import LegacyModel, ServerKind

_PROGRAMS = Path(__file__).parent / "legacy"
KEEP_ALIVE_SECONDS = 7200
"""Longer than any idle connection of a proxy: the server never closes one that a request is on its way to."""
READY_WITHIN_SECONDS = 90.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""A request of a few rows gains nothing from threads, and the machine is shared."""


def name(model: str) -> str:
    """Name of the legacy server that a model's clients reach."""
    return f"legacy-{model}"


def specs(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    """The servers of a legacy model in the order they start, its configuration below the state directory.

    Args:
        model: The model.
        state: The state directory.
        ports: The lab's ports; `model.ports` are among them.

    Returns:
        One server or several; the last one is the one that the clients reach.
    """
    return _KINDS[model.server](model, state, ports)


def _kserve_sklearn(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    return (_kserve(model, state, ports, "kserve_server.py"),)


def _kserve_onnx(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    return (_kserve(model, state, ports, "kserve_onnx.py"),)


def _kserve_transformer(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    """The predictor, then the transformer in front of it, which the clients reach; both under one name."""
    front, behind = (ports[name] for name in model.ports)
    return (
        _sdk(model, state, "kserve_onnx.py", name=f"{name(model.name)}-predictor", port=behind, wire=Wire.V2),
        _sdk(
            model, state, "kserve_transformer.py", "--predictor_host", f"127.0.0.1:{behind}",
            "--predictor_protocol", "v2",
            name=name(model.name), port=front, wire=model.wire,
        ),
    )  # fmt: skip


def _kserve_sentences(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    return (_kserve(model, state, ports, "kserve_sentences.py"),)


def _kserve_graph(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    """A scikit-learn server for each model of the graph, then KServe's router, which clients reach."""
    front, *behind = (ports[name] for name in model.ports)
    at = dict(zip(model.parts, behind, strict=True))
    members = [_member(model, state, part, port) for part, port in at.items()]
    router = ServerSpec(
        name=name(model.name),
        environment="core",
        command=(str(graph_router.ensure(print)), "--graph-json", _graph(model, state, at)),
        env={graph_router.ADDRESS: f"127.0.0.1:{front}"},
        ports=(front,),
        stop_seconds=1.0,  # told to end, it waits 30 s for a cluster to hear of it
        ready_url=f"http://127.0.0.1:{front}/readyz",
    )
    return (*members, router)


def _member(model: LegacyModel, state: State, part: str, port: int) -> ServerSpec:
    """The server of one model of a graph: an InferenceService of its own name."""
    called = f"{model.name}-{part}"
    files = state.model_files(model.name) / part
    further = ("--model_name", called, "--model_dir", str(files))  # the later word counts
    served = _sdk(model, state, "kserve_server.py", *further, name=name(called), port=port, wire=Wire.V1)
    return served.model_copy(update={"ready_url": f"http://127.0.0.1:{port}/v1/models/{called}"})


def _graph(model: LegacyModel, state: State, ports: Mapping[str, int]) -> str:
    """The graph as KServe's controller hands it to the router: services by their models' URLs."""
    file = state.estate / "manifests" / f"{model.name}.yaml"
    found = [one.value for one in documents.read(file) if one.value["kind"] == "InferenceGraph"]
    for step in (step for node in found[0]["spec"]["nodes"].values() for step in node["steps"]):
        called = step["serviceName"]
        port = ports[called.removeprefix(f"{model.name}-")]
        step["serviceUrl"] = f"http://127.0.0.1:{port}/v1/models/{called}:predict"
    return json.dumps({"nodes": found[0]["spec"]["nodes"]})


def _kserve(model: LegacyModel, state: State, ports: Mapping[str, int], program: str) -> ServerSpec:
    return _sdk(model, state, program, name=name(model.name), port=ports[model.port], wire=model.wire)


def _sdk(
    model: LegacyModel, state: State, program: str, *further: str, name: str, port: int, wire: Wire
) -> ServerSpec:
    """A server of the KServe SDK, its own gRPC off."""
    command = (
        "python", str(_PROGRAMS / program), "--model_name", model.name,
        "--model_dir", str(state.model_files(model.name)), "--http_port", str(port),
        "--enable_grpc", "false", "--enable_latency_logging", "false",
        "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), *further,
    )  # fmt: skip
    ready = f"/v1/models/{model.name}" if wire is Wire.V1 else f"/v2/models/{model.name}/ready"
    return ServerSpec(
        name=name, environment=model.environment, command=command, env=ONE_THREAD, ports=(port,),
        ready_url=f"http://127.0.0.1:{port}{ready}",
    )  # fmt: skip


def _mlserver(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    """MLServer cannot do without gRPC: it is the part `grpc`."""
    port, grpc_port = (ports[name] for name in model.ports)
    folder = state.legacy / model.name
    server = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": grpc_port, "metrics_endpoint": None,
        "parallel_workers": 0, "debug": False, "environments_dir": str(folder / "environments"),
    }  # fmt: skip
    settings = {
        "name": model.name, "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(state.model_files(model.name) / "model.json")},
    }  # fmt: skip
    whole.write(folder / "settings.json", json.dumps(server, indent=1))
    whole.write(folder / model.name / "model-settings.json", json.dumps(settings, indent=1))
    served = ServerSpec(
        name=name(model.name), environment=model.environment, command=("mlserver", "start", str(folder)),
        env=ONE_THREAD, ports=(port, grpc_port),
        ready_url=f"http://127.0.0.1:{port}/v2/models/{model.name}/ready",
    )  # fmt: skip
    return (served,)


def _openai(model: LegacyModel, state: State, ports: Mapping[str, int]) -> tuple[ServerSpec, ...]:
    folder, port = state.model_files(model.name), ports[model.port]
    return (language_model.server(name(model.name), model.name, folder, port=port),)


_KINDS: dict[ServerKind, Callable[[LegacyModel, State, Mapping[str, int]], tuple[ServerSpec, ...]]] = {
    ServerKind.KSERVE_SKLEARN: _kserve_sklearn,
    ServerKind.KSERVE_ONNX: _kserve_onnx,
    ServerKind.KSERVE_TRANSFORMER: _kserve_transformer,
    ServerKind.KSERVE_SENTENCES: _kserve_sentences,
    ServerKind.KSERVE_GRAPH: _kserve_graph,
    ServerKind.MLSERVER_XGBOOST: _mlserver,
    ServerKind.KSERVE_OPENAI: _openai,
}
