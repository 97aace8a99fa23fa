"""A model's place on the node, for tests of what the runtimes' adapters do there.

Packages lie in their volumes already: what brings them there has tests of its own.
"""

import json
import re
import shutil
from contextlib import contextmanager, suppress

from runtimes.kubernetes import volume
from runtimes.kubernetes.deployed import Deployed, Placed, Site
from runtimes.kubernetes.volume import Filling
from runtimes.ray_serve import RayServe
from runtimes.triton import Triton
from runtimes.vllm import VLLM
from tests.waiting import until
from turnout.domain.assignment import Assignment
from turnout.domain.errors import TemporaryError
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.pools import Pool
from turnout.fabric.board import Board
from turnout.fabric.own_processes import OwnProcesses
from turnout.fabric.registry import files
from turnout.fabric.state import State
from turnout.lab.cluster.node import inside, volumes
from turnout.settings import Cluster, Head

POOL = Pool(name="node", cpu=2, memory_gib=8, nodes=1)
HEAD = Head(cpu=0.5, memory_gib=2)
"""The laptop's."""
RAY = (("ray.io/v1", "RayService"), ("ray.io/v1", "RayCluster"))
ALL = (
    *RAY, ("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "Pod"), ("v1", "PersistentVolumeClaim"),
    ("policy/v1", "PodDisruptionBudget"), ("batch/v1", "Job"),
)  # fmt: skip
WITHIN_SECONDS = 120.0


class Place:
    """A model's place on the node, and the adapters of the runtimes there."""

    def __init__(self, root, tmp_path, writer, images, assignment):
        """Nothing is applied yet."""
        self.root, self.writer, self.assignment = root, writer, assignment
        self.attempt = f"{assignment.model}-1"
        self._site = Site(
            state=State(tmp_path / "state"), cluster=Cluster(images=images, head=HEAD),
            mlflow="http://nobody", applier=writer,
            placed=lambda _attempt, _model: Placed(assignment, POOL, version="1"),
        )  # fmt: skip
        own = OwnProcesses()
        self.triton = Deployed(Triton(own.state, own), self._site, arrival_seconds=0)
        self.ray_serve = Deployed(RayServe(own.state, dashboard="", proxy=""), self._site, arrival_seconds=0)
        self.vllm = Deployed(VLLM(own.state, own, elsewhere=True), self._site, arrival_seconds=0)

    def bring(self, directory, config, contract):
        """Make a folder a package, and let the volume of the attempt hold it."""
        manifest = PackageManifest(
            model=contract.model, runtime=self.assignment.runtime, files=files.describe(directory),
            runtime_config=config, contract=contract.model_dump(mode="json"), source={},
        )  # fmt: skip
        files.write(directory, manifest)
        version = PackageVersion(model=contract.model, version="1", digest=files.digest(manifest))
        filling = Filling(
            attempt=self.attempt, assignment=self.assignment, pool=POOL, version=version, manifest=manifest,
            volumes=self._site.cluster.packages, image="worker", mlflow="", models=self._site.state.volume,
        )  # fmt: skip
        claim, folder = volume.claim(filling, filled=True), self.root / "packages"
        volumes.ensure(self.writer, folder, [claim])
        shutil.copytree(directory, folder / filling.name / filling.package.folder)
        self.writer.apply([claim])

    def ask(self, endpoint, path, body=None):
        """Ask an address that the cluster's own network has alone; returns status and parsed body."""
        status, text = self.said(endpoint, path, body)
        return status, json.loads(text)

    def said(self, endpoint, path, body=None):
        """The same, with the body as it came; kube-proxy leads there a moment after all of it is ready."""
        data = () if body is None else ("--json", json.dumps(body))
        url = f"http://{endpoint.host}:{endpoint.port}{path}"
        told = until(
            lambda: self._told("--write-out", "\n%{http_code}", *data, url),
            f"an answer of {url}",
            WITHIN_SECONDS,
        )
        text, _, status = told.rpartition("\n")
        return int(status), text

    def _told(self, *arguments):
        """What curl says on the node, or nothing where it was refused."""
        with suppress(TemporaryError):
            return self._curl(*arguments)
        return None

    def _curl(self, *arguments):
        """What curl says on the node."""
        return inside.run(Board(State(self.root)).supervisor(), "curl", "--silent", *arguments)

    def asked_of_each(self):
        """How many requests each of Triton's pods has answered, by their own count."""
        path = f"/api/v1/namespaces/{self.assignment.namespace}/pods"
        chosen = {"labelSelector": "app.kubernetes.io/name=triton"}
        for pod in self.writer.call("GET", path, chosen)["items"]:
            said = self._curl(f"http://{pod['status']['podIP']}:8002/metrics")
            (count,) = re.findall(r"^nv_inference_request_success\{.*\} (\d+)$", said, re.MULTILINE)
            yield int(count)

    def of(self, *kinds):
        """Names of what the namespace holds of some kinds, with generation and labels that tell a change."""
        found = {}
        for version, kind in kinds:
            root, _, plural = self.writer.collection(version, kind).rpartition("/")
            items = self.writer.call("GET", f"{root}/namespaces/{self.assignment.namespace}/{plural}")[
                "items"
            ]
            found |= {(kind, m["name"]): m.get("generation") for m in (each["metadata"] for each in items)}
        return found


@contextmanager
def places(cluster, writer, space, images, tmp_path):
    """Gives models their places; afterwards their volumes are gone.

    Args:
        cluster: The cluster.
        writer: Writes as the administrator.
        space: The namespace.
        images: References of images by the runtimes' names.
        tmp_path: The test's folder.
    """

    def place(model, runtime, **size):
        assignment = Assignment(
            model=model, namespace=space, runtime=runtime, pool=POOL.name, **{"replicas": 1, **size}
        )  # fmt: skip
        return Place(cluster.root, tmp_path, writer, images, assignment)

    yield place
    for each in writer.call("GET", "/api/v1/persistentvolumes")["items"]:
        if each["metadata"]["name"].startswith(space):
            writer.delete({"apiVersion": "v1", "kind": "PersistentVolume", **each})
