"""The models of the lab and the portfolio that each belongs to: one entry a model. Pure.

A model of the lab is an entry here, `manifests/NAME.yaml` and `contracts/NAME.yaml` beside this file, its
owner in `owners.yaml`, a function in the program that makes it (`turnout/lab/legacy`) and, where it is served
by a new kind of server, a function in `turnout/lab/legacy_servers.py`.
"""

from dataclasses import dataclass
from enum import StrEnum

from turnout.domain.contract import Wire


class Portfolio(StrEnum):
    """How much of the estate a lab brings up."""

    QUICK = "quick"
    """Three models: what a demonstration, the tests and the drills move."""
    FULL = "full"
    """Every model, the quick ones among them."""


class ServerKind(StrEnum):
    """What serves a legacy model."""

    KSERVE_SKLEARN = "kserve_sklearn"
    """The KServe SDK's model server, as KServe's sklearnserver is written."""
    KSERVE_ONNX = "kserve_onnx"
    """A model server of the KServe SDK with onnxruntime."""
    KSERVE_TRANSFORMER = "kserve_transformer"
    """A transformer of the KServe SDK that calls a predictor, an ONNX model, over HTTP."""
    KSERVE_SENTENCES = "kserve_sentences"
    """A container of its owner's own on the KServe SDK: sentence embeddings."""
    KSERVE_GRAPH = "kserve_graph"
    """KServe's own router in front of two scikit-learn servers: an InferenceGraph."""
    MLSERVER_XGBOOST = "mlserver_xgboost"
    """MLServer with its XGBoost runtime."""

    KSERVE_OPENAI = "kserve_openai"
    """The KServe SDK's model server with a language model of transformers, which does not batch."""


@dataclass(frozen=True)
class LegacyModel:
    """One model of the estate, as it is served.

    Attributes:
        name: Name of the model.
        environment: Locked environment that trains and serves it.
        wire: Protocol that its clients speak.
        server: What serves it.
        parts: Further ports that its servers take, beside that of the clients: `legacy-NAME-PART`.
        program: Program in `turnout/lab/legacy` that makes it.
        pace: Its share of the client's rate: 0.1 is a tenth of the requests that other models get.
        portfolio: Smallest portfolio that it belongs to.
        needs: Further environments that its migration wants, installed while the lab comes up.
    """

    name: str
    environment: str
    wire: Wire
    server: ServerKind
    parts: tuple[str, ...] = ()
    program: str = "train.py"
    pace: float = 1.0
    portfolio: Portfolio = Portfolio.FULL
    needs: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path that its clients call."""
        if self.wire is Wire.OPENAI:
            return "/openai/v1/chat/completions"
        if self.wire is Wire.V1:
            return f"/v1/models/{self.name}:predict"
        return f"/v2/models/{self.name}/infer"

    @property
    def port(self) -> str:
        """Name of the port that its clients would call without a router."""
        return f"legacy-{self.name}"

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of all ports that its servers take, that of the clients first."""
        return (self.port, *(f"{self.port}-{part}" for part in self.parts))

    @property
    def client_port(self) -> str:
        """Name of the port where the router listens for its clients."""
        return f"client-{self.name}"


MODELS = (
    LegacyModel("iris", "kserve", Wire.V1, ServerKind.KSERVE_SKLEARN, portfolio=Portfolio.QUICK),
    LegacyModel("diabetes", "kserve", Wire.V1, ServerKind.KSERVE_SKLEARN, portfolio=Portfolio.QUICK),
    LegacyModel(
        "cancer", "mlserver", Wire.V2, ServerKind.MLSERVER_XGBOOST, parts=("grpc",), portfolio=Portfolio.QUICK
    ),
    LegacyModel("wine", "kserve-onnx", Wire.V2, ServerKind.KSERVE_ONNX, pace=0.5),
    LegacyModel(
        "digits",
        "kserve-onnx",
        Wire.V1,
        ServerKind.KSERVE_TRANSFORMER,
        parts=("predictor",),
        program="train_digits.py",
        pace=0.5,
    ),
    LegacyModel("topics", "kserve", Wire.V1, ServerKind.KSERVE_SKLEARN, program="train_topics.py", pace=0.5),
    LegacyModel("smollm", "hf", Wire.OPENAI, ServerKind.KSERVE_OPENAI, pace=0.02, needs=("vllm",)),
    LegacyModel(
        "sentences",
        "embeddings",
        Wire.V1,
        ServerKind.KSERVE_SENTENCES,
        program="make_sentences.py",
        pace=0.3,
        needs=("ray-models",),
    ),
    LegacyModel(
        "severity",
        "kserve",
        Wire.V1,
        ServerKind.KSERVE_GRAPH,
        parts=("progression", "grade"),
        pace=0.5,
        needs=("ray-models",),
    ),
)
"""Every model that the lab can bring up."""


def models(portfolio: Portfolio) -> tuple[LegacyModel, ...]:
    """The models of a portfolio."""
    return tuple(model for model in MODELS if portfolio in {Portfolio.FULL, model.portfolio})
