"""What stands in the way of a migration, and the question whose answer settles it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Contract
from turnout.domain.placement import Placement
from turnout.domain.targets import TargetRuntime, Way, spoken
from turnout.domain.waves import Wave
from turnout.domain.workload import Workload

_WIRES = frozenset({"v1", "v2", "openai"})


class BlockerKind(StrEnum):
    """What stands in the way of a migration."""

    NO_OWNER = "no_owner"
    NO_CONTRACT = "no_contract"
    CONTRACT_MISMATCH = "contract_mismatch"
    UNSUPPORTED_FRAMEWORK = "unsupported_framework"
    NOT_PACKAGED = "not_packaged"
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"
    STICKY = "sticky"
    CUSTOM_CONTAINER = "custom_container"
    EXPLAINER = "explainer"
    TRANSFORMER = "transformer"
    CANARY_IN_PROGRESS = "canary_in_progress"
    MULTI_NODE = "multi_node"
    NO_STORAGE = "no_storage"
    NO_POOL = "no_pool"
    FROZEN = "frozen"


QUESTIONS = {
    BlockerKind.NO_OWNER: "Who owns this model, and will answer at its gates?",
    BlockerKind.NO_CONTRACT: "Which answers are the same to its clients, and how slow or wrong may it be?",
    BlockerKind.CONTRACT_MISMATCH: "Which of the two is right, the contract or the manifest?",
    BlockerKind.UNSUPPORTED_FRAMEWORK: "Will it stay on KServe, or be trained anew in another framework?",
    BlockerKind.NOT_PACKAGED: "Can it wait, or will its owner bring it as ONNX or as a Triton repository?",
    BlockerKind.UNSUPPORTED_PROTOCOL: "What do its clients speak, and can they speak V1 or V2 over HTTP?",
    BlockerKind.STICKY: "What do its servers keep for a session, and can they do without while it moves?",
    BlockerKind.CUSTOM_CONTAINER: "What does the container do, and which runtime takes its place?",
    BlockerKind.EXPLAINER: "Who uses its explanations, and can they do without?",
    BlockerKind.TRANSFORMER: "What does its transformer do: which function, from which tensor to which?",
    BlockerKind.CANARY_IN_PROGRESS: "Which of the two versions stays?",
    BlockerKind.MULTI_NODE: "Must it span several nodes, or does it fit on one of today's accelerators?",
    BlockerKind.NO_STORAGE: "Where is its model stored?",
    BlockerKind.NO_POOL: "Which pool may grow, or which smaller form of the model would do?",
    BlockerKind.FROZEN: "When may it be changed?",
}
"""What its owner, or the platform's, has to answer."""


class Blocker(BaseModel):
    """One thing that has to be settled before the model can move, and whose word settles it."""

    model_config = ConfigDict(frozen=True)

    kind: BlockerKind
    what: str

    @property
    def question(self) -> str:
        """What has to be answered."""
        return QUESTIONS[self.kind]


def blockers(
    found: Workload, contract: Contract | None, how: Way, placement: Placement | None, wave: Wave
) -> tuple[Blocker, ...]:
    """All that stands in the way of one workload."""
    frozen = _named((BlockerKind.FROZEN, wave.frozen is not None, wave.reason))
    return (*_unsettled(found, contract), *_impossible(found, contract, how, placement), *frozen)


def _unsettled(found: Workload, contract: Contract | None) -> tuple[Blocker, ...]:
    """What an owner has to say or write first."""
    roles = _roles(found)
    return _named(
        (BlockerKind.NO_OWNER, found.owner is None, "name its owner, in an annotation or in the owners file"),
        (BlockerKind.NO_CONTRACT, contract is None, "its owner has written no contract"),
        (BlockerKind.CONTRACT_MISMATCH, *_mismatch(found, contract)),
        (BlockerKind.STICKY, *_sticky(contract)),
        (BlockerKind.CUSTOM_CONTAINER, *_undecided(found, contract)),
        (BlockerKind.EXPLAINER, "explainer" in roles, "it has no counterpart: its owner decides"),
        (
            BlockerKind.CANARY_IN_PROGRESS,
            found.canary_in_progress,
            "finish or take back KServe's canary first",
        ),
    )


def _undecided(found: Workload, contract: Contract | None) -> tuple[bool, str]:
    """A container of one's own moves where its contract says what it becomes."""
    decided = contract is not None and contract.custom is not None
    return found.framework == "custom" and not decided, "its owner decides what it becomes (custom: python)"


def _mismatch(found: Workload, contract: Contract | None) -> tuple[bool, str]:
    if contract is None:
        return False, ""
    if contract.transformer is not None and "transformer" not in _roles(found):
        return True, "its contract tells of a transformer and its manifest of none"
    wire = spoken(found, contract)
    if wire is None or contract.wire == wire:
        return False, ""
    return True, f"its contract says {contract.wire} and its manifest {wire}"


def _sticky(contract: Contract | None) -> tuple[bool, str]:
    if contract is None or contract.sticky is None:
        return False, ""
    return True, f"its sessions stay on one server ({contract.sticky}), and each request is routed by chance"


def _impossible(
    found: Workload, contract: Contract | None, how: Way, placement: Placement | None
) -> tuple[Blocker, ...]:
    """What Turnout or the pools cannot do."""
    decided = found.framework == "custom" and not _undecided(found, contract)[0]
    unpackaged = how.runtime is not None and not (how.packaged or decided)
    stored = all(one.storage_uri for one in found.members or (found,))
    wire = spoken(found, contract)
    homeless = placement is not None and placement.best is None
    return _named(
        (BlockerKind.UNSUPPORTED_FRAMEWORK, how.runtime is None, how.how),
        (BlockerKind.NOT_PACKAGED, unpackaged, f"Turnout does not package {found.framework} models yet"),
        (BlockerKind.UNSUPPORTED_PROTOCOL, wire not in _WIRES or _unspoken(how, wire), _protocol(wire, how)),
        (BlockerKind.TRANSFORMER, *_transformer(found, contract, how)),
        (BlockerKind.MULTI_NODE, bool(found.extra.get("multi_node")), "it spans several nodes"),
        (BlockerKind.NO_STORAGE, not stored, "where its model is stored is unknown"),
        (BlockerKind.NO_POOL, homeless, "no pool fits"),
    )


def _transformer(found: Workload, contract: Contract | None, how: Way) -> tuple[bool, str]:
    """A transformer moves with its predictor where its contract says what it is, and as a Triton ensemble."""
    if "transformer" not in _roles(found):
        return False, ""
    if contract is None or contract.transformer is None:
        return True, "its contract does not say what its transformer is (transformer.file)"
    return how.runtime is not TargetRuntime.TRITON, f"transformers move to Triton alone, not to {how.runtime}"


def _roles(found: Workload) -> frozenset[str]:
    return frozenset(component.role for component in found.components)


def _unspoken(how: Way, wire: str | None) -> bool:
    """VLLM speaks OpenAI's protocol alone, and no bridge stands in front of it."""
    return how.runtime is TargetRuntime.VLLM and wire != "openai"


def _protocol(wire: str | None, how: Way) -> str:
    if wire is None:
        return "what its clients speak is unknown"
    unrouted = f"its clients speak {wire}: not routed yet"
    return (
        f"its clients speak {wire}, and vLLM OpenAI's protocol alone"
        if wire in _WIRES and _unspoken(how, wire)
        else unrouted
    )


def _named(*asked: tuple[BlockerKind, bool, str]) -> tuple[Blocker, ...]:
    return tuple(Blocker(kind=kind, what=what) for kind, stands, what in asked if stands)
