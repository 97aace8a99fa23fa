"""Candidates deployed on a real API server, as the flows' account: what comes, what does not, what is left.

The pods are those of a made-up node: they say that they are ready, and Jobs that they are done; no container
runs.
"""

import contextlib
import json
import threading
from pathlib import Path

import pytest

from runtimes.kubernetes import deployed
from runtimes.kubernetes.deployed import Deployed, Placed, Site
from runtimes.ray_serve import RayServe
from runtimes.triton import Triton
from tests.cluster import shipped, simulated
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError, NotFoundError, TemporaryError
from turnout.domain.package import PackageManifest
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime
from turnout.fabric.kubernetes.apply import Applier, ConflictError
from turnout.fabric.own_processes import OwnProcesses
from turnout.fabric.registry import files
from turnout.fabric.state import State
from turnout.settings import Cluster, PackageVolumes

POOL, EMPTY = "deployed", "deployed-empty"
ATTEMPT = "iris-1"
IMAGES = {"worker": "registry.example/worker:1", "triton": "registry.example/triton:1",
          "ray_serve": "registry.example/ray:1"}  # fmt: skip
CONFIGS = {
    "triton": {"repository": "repository", "model": "iris", "bridge": None},
    "ray_serve": {
        "import_path": "application:app",
        "code": "application",
        "deployments": [{"name": "Ingress", "num_replicas": 1}],
        "bridge": None,
    },
}
TENSORS = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
CONTRACT = Contract(
    model="iris", wire="v2", inputs=TENSORS, outputs=TENSORS, same_answer=SameAnswer(kind="regression")
)
MOVER = "turnout-mover"
SHORT = dict.fromkeys(TargetRuntime, -52)
"""So that, with the time for nodes and images to come, 8 s are waited."""
VERBS = {"GET": {"get"}, "PATCH": {"patch", "create"}, "DELETE": {"delete"}}
"""An apply makes what is not there."""


@pytest.fixture(scope="module", autouse=True)
def node(applier):
    """A made-up node, whose pods run; the other pool has none."""
    made = simulated.node(f"{POOL}-0", POOL, "n2-standard-8", "7900m", "30Gi")
    simulated.bring_up(applier, [made])
    yield
    applier.delete(made)


@pytest.fixture
def class_name(applier, namespace):
    """A class of the test's own, called as its namespace, with volumes for four packages."""
    volumes = [
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{namespace}-{number}"},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"],
                     "persistentVolumeReclaimPolicy": "Retain", "storageClassName": namespace,
                     "hostPath": {"path": "/nowhere"}},
        }
        for number in range(4)
    ]  # fmt: skip
    applier.apply(volumes)
    yield namespace
    for each in volumes:
        applier.delete(each)


class Recording(Applier):
    """A connection that remembers what it was asked."""

    def __init__(self, kubeconfig: Path) -> None:
        """Nothing was asked yet."""
        super().__init__(kubeconfig)
        self.asked = []

    def _answer(self, method, path, *args, **options):
        self.asked.append((method, path))
        return super()._answer(method, path, *args, **options)


@pytest.fixture
def mover(control_plane, applier, namespace):
    """A connection as an account that may in this namespace what flows may in those of models."""
    (role,) = [each for each in shipped.rendered("laptop") if each["metadata"]["name"] == MOVER]
    flow, name = {"name": "flow", "namespace": namespace}, f"{namespace}-mover"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": flow}
    own = {**role, "metadata": {"name": name}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "mover", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", **flow}],
    }  # fmt: skip
    applier.apply([account, own, binding])
    with Recording(control_plane.kubeconfig_of(f"{namespace}/flow")) as connection:
        connection.role = role
        yield connection
    applier.delete(own)


def package(folder, runtime, content="a"):
    """A package as the registry brings it; returns its directory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model").write_text(content)
    config = CONFIGS[runtime]
    manifest = PackageManifest(
        model="iris",
        runtime=runtime,
        files=files.describe(folder),
        runtime_config=config,
        contract={},
        source={},
    )
    files.write(folder, manifest)
    return folder


def made(applier, tmp_path, class_name, runtime="triton", *, of_plan=None, pool=POOL, cpu=1.0):
    """The adapter, as a process of its own would build it; the plan names its runtime, or another one."""
    chosen = Pool(name=pool, cpu=128, memory_gib=512, nodes=1, node_labels={simulated.POOL: pool})
    assignment = Assignment(
        model="iris", namespace=class_name, runtime=TargetRuntime(of_plan or runtime), pool=pool, replicas=1,
        cpu=cpu, memory_gib=1,
    )  # fmt: skip
    volumes = PackageVolumes(storage_class=class_name)
    site = Site(
        state=State(tmp_path), cluster=Cluster(images=IMAGES, packages=volumes),
        mlflow="http://mlflow.example:5000", applier=applier,
        placed=lambda _attempt, _model: Placed(assignment, chosen, version="1"),
    )  # fmt: skip
    own = OwnProcesses()
    lab = Triton(own.state, own) if runtime == "triton" else RayServe(own.state, dashboard="", proxy="")
    return Deployed(lab, site, arrival_seconds=60)


def of(applier, namespace, name="triton-iris-1"):
    """All of an attempt, by (plural, name)."""
    chosen = {"labelSelector": f"app.kubernetes.io/instance={name}"}
    roots = {
        "/apis/apps/v1": "deployments", "/apis/policy/v1": "poddisruptionbudgets",
        "/apis/batch/v1": "jobs", "/apis/ray.io/v1": "rayservices",
    }  # fmt: skip
    paths = [f"{root}/namespaces/{namespace}/{plural}" for root, plural in roots.items()]
    core = ("services", "persistentvolumeclaims", "pods")
    paths += [f"/api/v1/namespaces/{namespace}/{plural}" for plural in core]
    return {
        (path.rpartition("/")[2], each["metadata"]["name"])
        for path in paths
        for each in applier.call("GET", path, chosen)["items"]
    }


@contextlib.contextmanager
def meanwhile(act):
    """Do something again and again while a block runs, as a controller would."""
    over = threading.Event()

    def again():
        while not over.wait(0.2):
            act()

    worker = threading.Thread(target=again)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def pods_fail(applier, namespace):
    """Let what fetches packages end with an error, as a kubelet would report it."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    chosen = {"labelSelector": "app.kubernetes.io/name=turnout-fetch"}
    for pod in applier.call("GET", path, chosen)["items"]:
        if pod["status"]["phase"] == "Pending":
            state = {"terminated": {"exitCode": 1, "reason": "Error"}}
            container = {"name": "fetch", "ready": False, "restartCount": 0, "image": "i", "imageID": ""}
            pod["status"] |= {
                "phase": "Failed", "containerStatuses": [{**container, "state": state}],
                "conditions": [{"type": "PodScheduled", "status": "True"}],
            }  # fmt: skip
            with contextlib.suppress(ConflictError, NotFoundError):  # its controller was faster
                applier.call("PUT", f"{path}/{pod['metadata']['name']}/status", body=pod)


def test_a_candidate_comes_up_and_goes(applier, mover, namespace, class_name, tmp_path):
    """Its package lies in a volume of its own, its address is its Service's, and nothing of it is left."""
    folder = package(tmp_path / "package", "triton")
    endpoint = made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, folder)
    service = applier.call("GET", f"/api/v1/namespaces/{namespace}/services/triton-iris-1")
    assert (endpoint.host, endpoint.port, endpoint.grpc_port) == (service["spec"]["clusterIP"], 8000, 8001)
    there = of(applier, namespace)
    assert {plural for plural, _ in there} == {
        "deployments", "services", "poddisruptionbudgets", "persistentvolumeclaims", "pods",
    }  # fmt: skip
    (claim,) = [name for plural, name in there if plural == "persistentvolumeclaims"]
    (deployment,) = applier.call("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    (volume,) = [v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "package"]
    assert volume["persistentVolumeClaim"] == {"claimName": claim, "readOnly": True}
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)
    assert of(applier, namespace) == set()
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)


def test_what_is_up_is_left_alone(applier, mover, namespace, class_name, tmp_path):
    """Deployed again by another process: nothing is fetched, and no object has changed."""
    folder = package(tmp_path / "package", "triton")
    first = made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, folder)
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments/triton-iris-1"
    before = applier.call("GET", deployments)["metadata"]["generation"]
    mover.asked.clear()
    assert made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, folder) == first
    assert applier.call("GET", deployments)["metadata"]["generation"] == before
    assert not [path for _, path in mover.asked if "/jobs" in path]


def test_another_package_gets_another_volume(applier, mover, namespace, class_name, tmp_path):
    """What a running server reads never changes: the servers move to a new volume, at the same address."""
    first = made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, package(tmp_path / "a", "triton"))
    folder = package(tmp_path / "b", "triton", "another")
    assert made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, folder) == first
    claims = {name for plural, name in of(applier, namespace) if plural == "persistentvolumeclaims"}
    digest = files.digest(files.read(folder))
    assert len(claims) == 2
    (deployment,) = applier.call("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    assert f"triton-iris-1-{digest[:8]}" in json.dumps(deployment["spec"])
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)
    assert of(applier, namespace) == set()


def test_a_candidate_that_fits_nowhere_says_why(mover, applier, class_name, tmp_path, monkeypatch):
    """More cores than any node of its pool has: in the scheduler's words; then it is cleared away."""
    monkeypatch.setattr(deployed, "START_SECONDS", SHORT)
    folder = package(tmp_path / "package", "triton")
    with pytest.raises(TemporaryError, match="Insufficient cpu"):
        made(mover, tmp_path, class_name, cpu=64).deploy(ATTEMPT, CONTRACT, folder)
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)
    assert of(applier, class_name) == set()


def test_a_package_that_is_not_whole_starts_no_server(mover, applier, namespace, class_name, tmp_path):
    """The Job gives up: its reason is told, it is cleared away, and no server was ever asked for."""
    folder = package(tmp_path / "package", "triton")
    with (
        meanwhile(lambda: pods_fail(applier, namespace)),
        pytest.raises(InvalidInputError, match=r"Job triton-iris-1.*container fetch: Error \(status 1\)"),
    ):
        made(mover, tmp_path, class_name, pool=EMPTY).deploy(ATTEMPT, CONTRACT, folder)
    assert not [path for _, path in mover.asked if "/deployments" in path]
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)
    assert of(applier, namespace) == set()


def ray_runs(applier, namespace):
    """What KubeRay would do of a RayService: say that it is ready, and put a Service in front."""
    path = f"/apis/ray.io/v1/namespaces/{namespace}/rayservices"
    for each in applier.call("GET", path)["items"]:
        name, uid = each["metadata"]["name"], each["metadata"]["uid"]
        owner = {"apiVersion": "ray.io/v1", "kind": "RayService", "name": name, "uid": uid}
        meta = {"name": f"{name}-serve-svc", "namespace": namespace, "ownerReferences": [owner]}
        ports = {"ports": [{"name": "serve", "port": 8000}]}
        applier.apply([{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": ports}])
        each["status"] = {
            "observedGeneration": each["metadata"]["generation"],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Made", "message": "",
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        }  # fmt: skip
        with contextlib.suppress(ConflictError, NotFoundError):
            applier.call("PUT", f"{path}/{name}/status", body=each)


def test_a_ray_service_is_called_at_kuberays_service(mover, applier, namespace, class_name, tmp_path):
    """Ready when KubeRay says so; its address is that of the Service which KubeRay makes."""
    folder = package(tmp_path / "package", "ray_serve")
    with meanwhile(lambda: ray_runs(applier, namespace)):
        endpoint = made(mover, tmp_path, class_name, "ray_serve").deploy(ATTEMPT, CONTRACT, folder)
    service = applier.call("GET", f"/api/v1/namespaces/{namespace}/services/ray-serve-iris-1-serve-svc")
    assert (endpoint.host, endpoint.port, endpoint.grpc_port) == (service["spec"]["clusterIP"], 8000, None)
    made(mover, tmp_path, class_name, "ray_serve").undeploy(ATTEMPT)
    assert of(applier, namespace, "ray-serve-iris-1") == set()


def test_a_bridge_in_front_of_triton_is_an_attempts_second_half(
    mover, applier, namespace, class_name, tmp_path
):
    """A RayService of its own, which asks Triton's Service; deployed again nothing changes; both go."""
    contract = CONTRACT.model_copy(update={"wire": Wire.V1})
    folder = package(tmp_path / "package", "triton")
    behind = made(mover, tmp_path, class_name).deploy(ATTEMPT, contract, folder)
    bridge = made(mover, tmp_path, class_name, of_plan="triton", runtime="ray_serve")
    with meanwhile(lambda: ray_runs(applier, namespace)):
        endpoint = bridge.deploy(ATTEMPT, contract, behind)
        path = f"/apis/ray.io/v1/namespaces/{namespace}/rayservices/ray-serve-iris-1"
        before = applier.call("GET", path)
        assert f"address: dns:///triton-iris-1-each.{namespace}.svc:8001" in before["spec"]["serveConfigV2"]
        assert bridge.deploy(ATTEMPT, contract, behind) == endpoint
        assert applier.call("GET", path)["metadata"]["generation"] == before["metadata"]["generation"]
    assert endpoint.port == 8000
    assert endpoint.host != behind.host
    bridge.undeploy(ATTEMPT)
    assert of(applier, namespace, "ray-serve-iris-1") == set()
    assert ("deployments", "triton-iris-1") in of(applier, namespace)
    made(mover, tmp_path, class_name).undeploy(ATTEMPT)
    assert of(applier, namespace) == set()


def asked_for(recorded):
    """What was asked, as (resource, verb)."""
    for method, path in recorded:
        if "/namespaces/" not in path:  # which kinds there are: everybody may ask
            continue
        parts = path.partition("/namespaces/")[2].partition("?")[0].split("/")[1:]
        resource = parts[0] if len(parts) < 3 else f"{parts[0]}/{parts[2]}"
        for verb in {"list"} if method == "GET" and len(parts) == 1 else VERBS[method]:
            yield resource, verb


def test_the_flows_role_is_what_is_used(mover, applier, class_name, tmp_path, monkeypatch):
    """A candidate that comes and three that do not take every verb of the role, but for legacy's."""
    folder, ray = package(tmp_path / "package", "triton"), package(tmp_path / "ray", "ray_serve")
    made(mover, tmp_path, class_name).deploy(ATTEMPT, CONTRACT, folder)
    with meanwhile(lambda: pods_fail(applier, class_name)), pytest.raises(InvalidInputError):
        made(mover, tmp_path, class_name, pool=EMPTY).deploy("iris-2", CONTRACT, folder)
    monkeypatch.setattr(deployed, "START_SECONDS", SHORT)
    with pytest.raises(TemporaryError):
        made(mover, tmp_path, class_name, cpu=64).deploy("iris-3", CONTRACT, folder)
    with pytest.raises(TemporaryError):
        made(mover, tmp_path, class_name, "ray_serve").deploy("iris-4", CONTRACT, ray)
    for attempt in (ATTEMPT, "iris-2", "iris-3"):
        made(mover, tmp_path, class_name).undeploy(attempt)
    made(mover, tmp_path, class_name, "ray_serve").undeploy("iris-4")
    granted = {
        (resource, verb)
        for rule in mover.role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource != "inferenceservices"
    }
    assert set(asked_for(mover.asked)) == granted
