"""Which form a v1beta1 predictor has, and what follows from it: framework, protocol, storage, runtime.

The defaults are those of KServe's webhook (`inference_service_defaults.go`).
"""

from dataclasses import dataclass
from typing import Any

from turnout.domain.document import Document, say
from turnout.domain.errors import InvalidInputError
from turnout.domain.kserve_schema import Implementation, InferenceService, Model, Predictor
from turnout.domain.kubernetes_schema import Container

FORMS = (
    "sklearn", "xgboost", "lightgbm", "pmml", "paddle", "onnx", "tensorflow", "pytorch", "triton",
    "huggingface", "mlflow",
)  # fmt: skip
"""Frameworks that a predictor can be named by."""
FORMATS = frozenset({*FORMS, "tensorrt", "vLLM", "openvino", "autogluon", "predictive"})
"""Model formats of the serving runtimes that come with KServe."""

_V2_FORMS = frozenset({"onnx", "triton", "huggingface"})
"""Old forms for which v2 holds where nothing is declared; else v1."""
_V2_FORMATS = frozenset({"triton", "vLLM"})
_V2_RUNTIMES = frozenset({"kserve-mlserver", "kserve-tritonserver"})
_NO_FRAMEWORKS = frozenset({
    "affinity", "annotations", "autoScaling", "batcher", "deploymentStrategy", "dnsConfig", "labels",
    "logger", "nodeSelector", "os", "overhead", "resources", "securityContext", "workerSpec",
})  # fmt: skip
"""Mappings that a predictor may hold beside its framework: KServe's own and those of a PodSpec."""


@dataclass(frozen=True)
class Served:
    """The one form that a predictor has.

    Attributes:
        framework: What the model is made with; `custom` for a container of one's own.
        container: The container that serves it, as far as it is declared.
        storage_uri: Where the model is.
        protocol: Declared, or KServe's default; None where a container may speak anything.
        is_declared: Whether somebody wrote the protocol.
        format_name: As KServe matches it with runtimes; None for a custom container.
        format_version: Version of the format, where one is asked for.
        runtime: ServingRuntime as KServe says it or as the manifest asks for it.
        runtime_from: `status` or `spec`.
    """

    framework: str
    container: Container
    storage_uri: str | None = None
    protocol: str | None = None
    is_declared: bool = False
    format_name: str | None = None
    format_version: str | None = None
    model_format: str | None = None
    runtime: str | None = None
    runtime_from: str | None = None


def served(document: Document, found: InferenceService) -> Served:
    """The form of the predictor.

    Raises:
        InvalidInputError: It has none, or more than one.
    """
    predictor = found.spec.predictor
    forms = [form for form in ("model", *FORMS) if getattr(predictor, form) is not None]
    if len(forms) > 1:
        raise document.refuse(
            ("spec", "predictor", forms[1]),
            observed=f"{' and '.join(forms)} in one predictor",
            limit="exactly one of them",
            remedy="Remove all but one.",
        )
    if predictor.model is not None:
        return _by_format(found, predictor.model)
    if forms:
        return _by_name(found, forms[0], getattr(predictor, forms[0]))
    if predictor.containers or predictor.worker_spec:
        return _custom(found)
    raise _formless(document)


def storage_of(predictor: Predictor, implementation: Implementation) -> str | None:
    """Where the model is: in the implementation, or the first of the predictor's own `storageUris`."""
    first = next((entry.uri for entry in predictor.storage_uris), None)
    return implementation.uri() or first


def _runtime(found: InferenceService, asked: str | None = None) -> dict[str, str | None]:
    named = found.status.serving_runtime_name or found.status.cluster_serving_runtime_name
    return {"runtime": named or asked, "runtime_from": "status" if named else "spec" if asked else None}


def _by_format(found: InferenceService, model: Model) -> Served:
    """`predictor.model` with its modelFormat."""
    name, version = model.model_format.name, model.model_format.version
    runtime = _runtime(found, model.runtime)
    is_v2 = name in _V2_FORMATS or runtime["runtime"] in _V2_RUNTIMES
    return Served(
        framework="huggingface" if name == "vLLM" else name,
        container=model,
        storage_uri=storage_of(found.spec.predictor, model),
        protocol=model.protocol_version or ("v2" if is_v2 else "v1"),
        is_declared=model.protocol_version is not None,
        format_name=name,
        format_version=version,
        model_format=_format(f"{name} {version}" if version else name, model.runtime_version),
        **runtime,
    )


def _by_name(found: InferenceService, form: str, implementation: Implementation) -> Served:
    """`predictor.sklearn` and the like."""
    return Served(
        framework=form,
        container=implementation,
        storage_uri=storage_of(found.spec.predictor, implementation),
        protocol=implementation.protocol_version or ("v2" if form in _V2_FORMS else "v1"),
        is_declared=implementation.protocol_version is not None or form in _V2_FORMS,
        format_name=form,
        model_format=_format(form, implementation.runtime_version),
        **_runtime(found),
    )


def _format(name: str, runtime_version: str | None) -> str:
    return f"{name} (runtime {runtime_version})" if runtime_version else name


def _custom(found: InferenceService) -> Served:
    """`predictor.containers`: it may speak anything, so nothing is taken for granted."""
    predictor = found.spec.predictor
    container = predictor.serving()
    first = next((entry.uri for entry in predictor.storage_uris), None)
    return Served(
        framework="custom",
        container=container,
        storage_uri=container.variable("STORAGE_URI") or first,
        protocol=container.variable("PROTOCOL"),
        is_declared=True,
        **_runtime(found),
    )


def _formless(document: Document) -> InvalidInputError:
    """An unknown framework where a key looks like one, else a predictor without any."""
    predictor: dict[str, Any] = document.value["spec"]["predictor"]
    odd = [key for key, value in predictor.items() if isinstance(value, dict) and key not in _NO_FRAMEWORKS]
    return document.refuse(
        ("spec", "predictor", *odd[:1]),
        observed=f"unknown framework {say(odd[0])}" if odd else "a predictor that names no framework",
        limit=f"one of {', '.join(FORMS)}, model or containers",
        remedy="Name the framework, or serve the model as model with a modelFormat.",
    )
