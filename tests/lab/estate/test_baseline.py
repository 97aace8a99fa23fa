"""The baseline against a real router and a real shadow service, with clients' traffic through both."""

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tasks.baseline import golden_file, measure_baseline
from tasks.discover import discover_estate
from tasks.plan import plan_estate
from turnout.domain.contract import Contract, Rollout, SameAnswer
from turnout.domain.evidence import Verdict
from turnout.domain.route import Backend, Registration
from turnout.domain.server import ServerSpec
from turnout.fabric import contracts, ports
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router import envoy
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MANIFEST = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec: {predictor: {sklearn: {storageUri: "pvc://models/iris"}}}
"""
REPEATED = 3
"""Each question is asked more than once, so that there is a noise floor."""


class _Legacy(BaseHTTPRequestHandler):
    """Answers V1 with the remainder of the first feature by three."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = json.dumps({"predictions": [int(row[0]) % 3 for row in asked["instances"]]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def legacy_port():
    """A legacy server of its own threads."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Legacy)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    serving.join(10)


@pytest.fixture
def wiring(state, supervised, tmp_path, legacy_port, monkeypatch):
    """A router and a shadow service as the lab runs them, in front of one legacy model."""
    admin, capture = ports.pick(), ports.pick()
    settings = _estate(tmp_path, state, admin, capture)
    monkeypatch.setenv("TURNOUT_SETTINGS", str(tmp_path / "turnout.yaml"))
    envoy.prepare(state, admin_port=admin, sentinel_port=ports.pick(), capture_port=capture)
    supervised.ensure(envoy.server(state, admin_port=admin), ready_within_seconds=120)
    shadow = ("python", "-m", "turnout.services.shadow", "--port", str(capture))
    variables = {"TURNOUT_SETTINGS": str(tmp_path / "turnout.yaml")}
    spec = ServerSpec(name="shadow", environment="core", command=shadow, env=variables)
    supervised.ensure(spec, ready_within_seconds=60)
    made = Wiring(settings, evidence=MemoryEvidence())
    stable = Backend(name="iris-legacy", port=legacy_port)
    made.router.register(Registration(model="iris", listen_port=ports.pick(), stable=stable))
    use(made)
    yield made
    made.validator.close()
    use(None)


def _estate(folder, state, admin, capture):
    (folder / "manifests").mkdir()
    (folder / "manifests" / "iris.yaml").write_text(MANIFEST)
    (folder / "pools.yaml").write_text("pools: [{name: cpu, cpu: 8, memory_gib: 32, nodes: 1}]\n")
    (folder / "owners.yaml").write_text("owners: {ana: {name: Ana, models: [iris]}}\n")
    rollout = Rollout(shadow_samples=60, shadow_longest_seconds=90, capture_share=0.5)
    same = SameAnswer(kind="labels")
    contract = Contract(model="iris", wire="v1", inputs=(), outputs=(), same_answer=same, rollout=rollout)
    contracts.write(folder / "contracts", contract)
    settings = Settings(
        state=state.root,
        manifests=folder / "manifests",
        contracts=folder / "contracts",
        pools=folder / "pools.yaml",
        owners=folder / "owners.yaml",
        envoy_admin=f"http://127.0.0.1:{admin}",
        shadow_port=capture,
    )
    settings.write(folder / "turnout.yaml")
    return settings


@pytest.fixture
def traffic(wiring):
    """A client that calls the model some 40 times a second until the test ends, and its failures."""
    over, failures = threading.Event(), []
    url = f"http://127.0.0.1:{wiring.router.read('iris').listen_port}/v1/models/iris:predict"

    def call():
        with httpx.Client() as client:
            while not over.is_set():
                question = {"instances": [[float(random.randrange(90 // REPEATED)), 1.0]]}
                answer = client.post(url, json=question)
                if answer.status_code != 200:
                    failures.append(answer.status_code)
                time.sleep(0.02)

    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    yield failures
    over.set()
    calling.join(10)


def test_the_baseline_comes_from_production_traffic_alone(wiring, traffic):
    """Measured through the real router and shadow service: no client notices, and capture ends."""
    assert discover_estate.fn().verdict is Verdict.PASS
    assert plan_estate.fn().verdict is Verdict.PASS
    evidence = measure_baseline.fn("iris")
    assert (evidence.verdict, evidence.reasons) == (Verdict.PASS, ())
    measured = evidence.measurements
    assert measured["error_rate"]["estimate"] == 0
    assert 0 < measured["latency_seconds"]["p50"]["low"] <= measured["latency_seconds"]["p99"]["estimate"]
    assert set(measured["golden_coverage"]) == {"0", "1", "2"}
    assert measured["noise_floor"]["pairs"] > 0
    assert measured["noise_floor"]["differing"] == 0
    assert measured["cost"]["usd_per_1000_requests"] is None
    golden = [json.loads(line) for line in golden_file(wiring.state, "iris").read_text().splitlines()]
    assert len({line["request"] for line in golden}) == measured["golden_requests"] == len(golden)
    assert wiring.router.read("iris").capture_share == 0
    assert traffic == []
