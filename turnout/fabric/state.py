"""Where each thing lies under the one state directory. Nothing else in the code joins these paths."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class State:
    """The state directory.

    Attributes:
        root: The directory itself.
    """

    root: Path

    @property
    def routes(self) -> Path:
        """The router's truth: one folder a model."""
        return self.root / "routes"

    @property
    def envoy(self) -> Path:
        """Envoy's bootstrap, listeners and clusters."""
        return self.root / "envoy"

    def access_log(self, model: str) -> Path:
        """The router's access log of a model, one JSON object a line."""
        return self.root / "access" / f"{model}.jsonl"

    def captures(self, model: str) -> Path:
        """Captured exchanges of a model, one JSON object a line, bounded in number."""
        return self.root / "captures" / f"{model}.jsonl"

    def comparisons(self, attempt: str) -> Path:
        """Compared replays of an attempt, one ComparisonRecord a line."""
        return self.root / "comparisons" / f"{attempt}.jsonl"

    def guard(self, attempt: str) -> Path:
        """The sentinel's state of an attempt: wealth and cursor in one record."""
        return self.root / "sentinel" / f"{attempt}.json"

    def looks(self, attempt: str) -> Path:
        """The sentinel's journal of an attempt: a line a look, as `turnout judge` reads it, with evidence."""
        return self.root / "sentinel" / f"{attempt}.looks.jsonl"

    @property
    def servers(self) -> Path:
        """Specs and statuses of the servers that the supervisor keeps running."""
        return self.root / "servers"

    def log(self, server: str) -> Path:
        """Output of a server."""
        return self.root / "logs" / f"{server}.log"

    def retired(self, model: str) -> Path:
        """What a lab's retired legacy was started with."""
        return self.root / "servers" / "retired" / f"{model}.json"

    @property
    def approvals(self) -> Path:
        """Answers at gates."""
        return self.root / "approvals"

    @property
    def owners(self) -> Path:
        """Owners' secrets and used codes; readable by their keeper alone."""
        return self.root / "owners"

    @property
    def attempts(self) -> Path:
        """Attempts as known to the flows, `ATTEMPT.json` each."""
        return self.root / "attempts"

    def client(self, model: str) -> Path:
        """What the lab's client saw, one request a line."""
        return self.root / "client" / f"{model}.jsonl"

    @property
    def paces(self) -> Path:
        """How often the lab's client calls each model, as a share of its rate; it follows what is written."""
        return self.root / "client" / "paces.json"

    def payloads(self, model: str) -> Path:
        """Rows that the lab's client draws its requests from: the test split, never seen in training."""
        return self.root / "client" / f"{model}.payloads.json"

    @property
    def volume(self) -> Path:
        """Where the volume claim that storage URIs name is mounted."""
        return self.root / "models"

    def model_files(self, model: str) -> Path:
        """Folder of a legacy model's files in the lab, which its manifest's storage URI names."""
        return self.volume / model

    @property
    def estate(self) -> Path:
        """The lab's legacy estate: manifests, contracts, owners and pools."""
        return self.root / "estate"

    @property
    def legacy(self) -> Path:
        """Configuration of the lab's legacy servers."""
        return self.root / "legacy"

    @property
    def settings_file(self) -> Path:
        """The settings that every process of the lab reads."""
        return self.root / "turnout.yaml"

    @property
    def ports_file(self) -> Path:
        """The lab's ports, the same again when it comes up again."""
        return self.root / "ports.json"

    @property
    def work(self) -> Path:
        """Work directories of the phases: fetched and laid-out packages."""
        return self.root / "work"

    @property
    def deployed(self) -> Path:
        """Which namespace of a cluster has what an attempt deployed there."""
        return self.root / "deployed"

    @property
    def pinned(self) -> Path:
        """What each pinned InferenceService of a cluster had as its least."""
        return self.root / "pinned"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages about the evidence, a folder a model."""
        return self.root / "data_docs"

    @property
    def report(self) -> Path:
        """The report and the summary."""
        return self.root / "report"
