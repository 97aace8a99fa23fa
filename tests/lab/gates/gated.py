"""Flows that the gates' tests serve. Router and evidence are made anew in each process; the rest is real."""

from pathlib import Path

from prefect import flow, serve
from prefect.runtime import flow_run

from flows.gate import pass_gate
from tasks.canary import raise_weight
from turnout.domain.approval import Gate
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric import contracts
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MODEL, ATTEMPT = "iris", "iris-1"
EVIDENCE = Evidence(
    subject=MODEL,
    phase=Phase.SHADOW,
    attempt=ATTEMPT,
    inputs_digest="inputs",
    measurements={"compared": 200, "differing": 0},
    verdict=Verdict.PASS,
    code_version="0",
    at_seconds=1.0,
)
OWNERS = "owners:\n  ana: {name: Ana, models: [iris]}\n  bo: {name: Bo, models: [cancer]}\n"
_TENSOR = Tensor(name="x", datatype="FP64", shape=(-1, 4))


def wiring(root: Path) -> Wiring:
    """One model with an open attempt at weight 0 and its passed shadow test."""
    root.mkdir(exist_ok=True)
    (root / "owners.yaml").write_text(OWNERS)
    same = SameAnswer(kind=AnswerKind.LABELS)
    contract = Contract(model=MODEL, wire=Wire.V1, inputs=(_TENSOR,), outputs=(_TENSOR,), same_answer=same)
    contracts.write(root / "contracts", contract)
    router, evidence = MemoryRouter(), MemoryEvidence()
    router.register(Registration(model=MODEL, listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    router.open(Opening(model=MODEL, attempt=ATTEMPT, candidate=Backend(name=ATTEMPT, port=3)))
    evidence.write(EVIDENCE)
    settings = Settings(
        state=root,
        manifests=root,
        contracts=root / "contracts",
        pools=root / "pools.yaml",
        owners=root / "owners.yaml",
    )
    return Wiring(settings, router=router, evidence=evidence)


@flow(name="gated", log_prints=True)
def gated(root: str) -> None:
    """Ask at the canary's gate, then raise the weight; what came of it is left in a file."""
    use(wiring(Path(root)))
    decided = pass_gate(Gate.CANARY, EVIDENCE, str(flow_run.id))
    weight = raise_weight(MODEL, ATTEMPT, 0.1) if decided and decided.course == "passed" else 0.0
    (Path(root) / "outcome").write_text(f"{decided and decided.course} {weight}")


@flow(name="alone", log_prints=True)
def alone(root: str) -> None:
    """Raise the weight without having asked anybody."""
    use(wiring(Path(root)))
    raise_weight(MODEL, ATTEMPT, 0.1)
    (Path(root) / "outcome").write_text("raised")


@flow(name="starts", log_prints=True)
def starts(root: str) -> None:
    """Leave a mark for each start."""
    with (Path(root) / "starts").open("a") as file:
        file.write("started\n")


if __name__ == "__main__":
    watched = starts.to_deployment("turnout", tags=["turnout", "turnout-restarted"])
    serve(gated.to_deployment("turnout"), alone.to_deployment("turnout"), watched)
