"""What a model's owner promises its clients, in a file that the owner can read and edit."""

from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from turnout.domain.route import CONTROL_SHARE, RoutePolicy
from turnout.domain.task_metric import TaskMetric


class Wire(StrEnum):
    """The protocol that the clients speak."""

    V1 = "v1"
    V2 = "v2"
    OPENAI = "openai"


class Tensor(BaseModel):
    """One input or output of a model.

    Attributes:
        name: Tensor name (V2) or a name for people (V1 has none).
        datatype: V2 data type: FP32, FP64, INT64, BYTES, ...
        shape: Shape of one request, -1 for the batch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    datatype: str
    shape: tuple[int, ...]


class Transformer(BaseModel):
    """What stands between the clients and the predictor: a KServe transformer whose code is known.

    Attributes:
        file: Python file beside the model's, with `preprocess` (the instances as an array to the predictor's
            input) or `postprocess` (the predictor's output to the answer), or both.
        input: The predictor's input.
        output: The predictor's output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: str
    input: Tensor
    output: Tensor

    @field_validator("file")
    @classmethod
    def _lies_beside_the_model(cls, file: str) -> str:
        if "/" in file or not file.endswith(".py"):
            raise ValueError("transformer.file is the name of a Python file beside the model's")
        return file


class AnswerKind(StrEnum):
    """What the answer means, and so what counts as the same."""

    LABELS = "labels"
    PROBABILITIES = "probabilities"
    REGRESSION = "regression"
    EMBEDDING = "embedding"
    JSON = "json"
    TEXT = "text"


class SameAnswer(BaseModel):
    """What counts as the same answer.

    Attributes:
        kind: Labels are equal or not; numbers are equal within the tolerances (as numpy.isclose defines it);
            embeddings are equal in direction and length; JSON is any answer, its numbers within the
            tolerances and all else equal; generated text is the same token by token, but for near ties.
        absolute_tolerance: In the answer's unit.
        relative_tolerance: Share of the legacy answer.
        minimum_cosine: Least cosine between an embedding and legacy's.
        length_tolerance: Largest difference of an embedding's length, as a share of legacy's: the cosine does
            not see a normalisation that was lost.
        fields: For JSON, the fields that are compared (`result.label`: keys with dots between, lists passed
            through); none named: all.
        ignored: For JSON, fields that are not.
        top_candidates: For text, how many of the likeliest tokens are asked for: a first differing token is a
            near tie while it is among the other side's and nearly as likely as its first. 5 as in vLLM's own
            tests; OpenAI allows 20.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: AnswerKind
    absolute_tolerance: float = Field(default=1e-5, ge=0)
    relative_tolerance: float = Field(default=1e-4, ge=0)
    minimum_cosine: float = Field(default=0.999, gt=0, le=1)
    length_tolerance: float = Field(default=0.01, ge=0)
    fields: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    top_candidates: int = Field(default=5, ge=1, le=20)

    @model_validator(mode="after")
    def _fields_are_of_json(self) -> Self:
        if (self.fields or self.ignored) and self.kind is not AnswerKind.JSON:
            raise ValueError(f"fields and ignored go with the kind json, not with {self.kind}")
        if not all(key for path in (*self.fields, *self.ignored) for key in path.split(".")):
            raise ValueError("a field is named by its keys, with dots between")
        return self


class Bounds(BaseModel):
    """The owner's bounds, as the guard takes them (statistics.md).

    Attributes:
        alpha: Chance of a false alarm over one rollout, split over the guarded signals.
        ratio: Tolerated ratio rho of the candidate's bad share to legacy's.
        errors: Absolute share of failed requests tolerated on top (m).
        slow: Absolute share of slow requests tolerated on top.
        differs: Absolute share of differing answers tolerated on top; 0: the first difference fails.
        slow_seconds: What is slow; also D, the time within which a request must be answered well.
        first_token: Absolute share of requests tolerated on top whose first byte (a generated text's first
            token) comes late; None: not guarded.
        first_token_seconds: When a first byte is late.
        pause_seconds: Length of a pause of one arm that is tolerated (block length of both slow signals).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(default=0.05, gt=0, lt=1)
    ratio: float = Field(default=1.25, ge=1)
    errors: float = Field(default=0.01, gt=0, lt=1)
    slow: float = Field(default=0.05, gt=0, lt=1)
    differs: float = Field(default=0.01, ge=0, lt=1)
    slow_seconds: float = Field(default=0.5, gt=0)
    first_token: float | None = Field(default=None, gt=0, lt=1)
    first_token_seconds: float | None = Field(default=None, gt=0)
    pause_seconds: float = Field(default=5.0, ge=1)

    def limits(self) -> dict[str, float]:
        """Absolute bounds by signal name: errors, slow, first_token where it is guarded, differs."""
        first = {} if self.first_token is None else {"first_token": self.first_token}
        return {"errors": self.errors, "slow": self.slow, **first, "differs": self.differs}

    @model_validator(mode="after")
    def _first_token_is_whole(self) -> Self:
        if (self.first_token is None) != (self.first_token_seconds is None):
            raise ValueError("first_token and first_token_seconds have to come together")
        return self


class Rollout(BaseModel):
    """How the weight rises.

    Attributes:
        steps: Weights of the canary, rising; the pass evidence starts anew at each.
        final_weight: Weight after cutover; legacy keeps the rest as the control.
        step_longest_seconds: A step without enough evidence asks the owner after this time.
        gate_longest_seconds: How long a gate may wait before the step lease ends and the sentinel rolls back.
        shadow_samples: Compared exchanges that the shadow test wants at least.
        shadow_longest_seconds: The shadow test holds when they have not come by then.
        capture_share: Share of exchanges captured while an attempt is live.
        noise_share: Share of captured requests replayed to legacy a second time.
        step_lease_seconds: How long a weight of the canary stands without a new word from the flow.
        retire_after_seconds: How long a candidate serves under guard before its owner may retire legacy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: tuple[float, ...] = (0.1, 0.25, 0.5)
    final_weight: float = Field(default=1 - CONTROL_SHARE, gt=0, le=1 - CONTROL_SHARE)
    step_longest_seconds: float = Field(default=3600, gt=0)
    gate_longest_seconds: float = Field(default=86_400, gt=0)
    step_lease_seconds: float = Field(default=300, gt=0)
    retire_after_seconds: float = Field(default=7 * 86_400, ge=0)
    shadow_samples: int = Field(default=200, gt=0)
    shadow_longest_seconds: float = Field(default=3600, gt=0)
    capture_share: float = Field(default=0.5, gt=0, le=1)
    noise_share: float = Field(default=1.0, ge=0, le=1)

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        rising = all(low < high for low, high in zip((0.0, *steps), steps, strict=False))
        if not steps or not rising or steps[-1] > 1 - CONTROL_SHARE:
            raise ValueError(f"Weights have to rise, above 0 and up to {1 - CONTROL_SHARE}")
        return steps


class BaselineLoad(BaseModel):
    """Whether the servers of both arms may be loaded to find what they carry. Without this word never.

    Attributes:
        load: Load them, one rate after the other, until their answers are no longer within the bounds.
        ceiling_per_second: Highest rate that is ever sent, on top of the clients' own requests.
        step_seconds: How long each rate is sent; a generating model is sent the ceiling alone, so long.
        between_tokens_seconds: Pace that makes a generated text a good one, for the goodput; None: any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    load: bool = False
    ceiling_per_second: float | None = Field(default=None, gt=0, le=10_000)
    step_seconds: float = Field(default=3.0, ge=1, le=60)
    between_tokens_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _has_a_ceiling(self) -> Self:
        if self.load and self.ceiling_per_second is None:
            raise ValueError("load needs ceiling_per_second: the highest rate that the owner allows")
        return self


class Contract(BaseModel):
    """Everything that binds a candidate, in the owner's words.

    Attributes:
        model: Name of the model as its clients call it.
        wire: Protocol that the clients speak.
        inputs: Inputs of one request; none in OpenAI's protocol, which has its own.
        outputs: Outputs of one answer; none there either.
        same_answer: What counts as the same answer.
        bounds: What the guard holds.
        rollout: How the weight rises.
        policy: Time limits and whether requests may be sent twice.
        baseline: Whether the servers may be loaded to find what they carry.
        gates_on_evidence: A low-criticality model may pass its gates on evidence alone; the record says so.
        sticky: Header or cookie that keeps a client's session on one server. Not routed: the plan names it as
            a blocker (docs/adr/0004).
        transformer: What its KServe transformer is, where it has one.
        custom: What a container of one's own becomes: `python`, predictor.py beside the model's files.
        task: How the owner scores generated text, and how much worse it may be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    wire: Wire
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    same_answer: SameAnswer
    bounds: Bounds = Bounds()
    rollout: Rollout = Rollout()
    policy: RoutePolicy = RoutePolicy()
    baseline: BaselineLoad = BaselineLoad()
    gates_on_evidence: bool = False
    sticky: str | None = None
    transformer: Transformer | None = None
    custom: Literal["python"] | None = None
    task: TaskMetric | None = None

    @field_validator("policy", mode="before")
    @classmethod
    def _policy_is_known(cls, policy: Any) -> Any:
        """Refuse keys that the policy does not know: a misspelled limit must not become its default."""
        unknown = set(policy) - set(RoutePolicy.model_fields) if isinstance(policy, dict) else set()
        if unknown:
            raise ValueError(f"unknown key {min(unknown)!r}")
        return policy

    @model_validator(mode="after")
    def _protocol_fits(self) -> Self:
        if self.wire is not Wire.OPENAI and not {"inputs", "outputs"} <= self.model_fields_set:
            raise ValueError(f"{self.wire} has tensors: inputs and outputs have to name them")
        if self.same_answer.kind is AnswerKind.TEXT and self.wire is not Wire.OPENAI:
            raise ValueError("same_answer.kind text goes with the wire openai")
        if self.task is not None and self.same_answer.kind is not AnswerKind.TEXT:
            raise ValueError("task goes with same_answer.kind text")
        return self

    @model_validator(mode="after")
    def _leaves_time_for_legacy(self) -> Self:
        if self.policy.try_seconds >= self.policy.request_seconds:
            raise ValueError(
                "policy.try_seconds has to be below policy.request_seconds, or legacy gets no turn"
            )
        return self
