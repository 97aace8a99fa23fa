"""What a cluster's runtimes refuse before anything is applied, and what brings a package to its pods."""

from pathlib import Path

import pytest

from runtimes import Endpoint
from runtimes.kubernetes import volume
from runtimes.kubernetes.deployed import Deployed, Placed, Site
from runtimes.kubernetes.volume import FILLED, Filling
from runtimes.ray_serve import RayServe
from runtimes.triton import Triton
from turnout.domain.assignment import Assignment
from turnout.domain.contract import Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError
from turnout.domain.package import ExternalFiles, PackageFile, PackageManifest, PackageVersion
from turnout.domain.pools import Pool, Taint
from turnout.fabric.own_processes import OwnProcesses
from turnout.fabric.registry import files
from turnout.fabric.state import State
from turnout.settings import Cluster, PackageVolumes

POOL = Pool(
    name="l4", accelerator="nvidia-l4", accelerators_per_node=1, cpu=12, memory_gib=40, nodes=2,
    node_labels={"pool": "l4"}, taints=(Taint(key="nvidia.com/gpu", value="present"),),
)  # fmt: skip
TENSORS = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
CONTRACT = Contract(
    model="iris", wire="v2", inputs=TENSORS, outputs=TENSORS, same_answer=SameAnswer(kind="regression")
)
V1 = CONTRACT.model_copy(update={"wire": Wire.V1})
GIB = 2**30


class Untouched:
    """A connection that nobody may use."""

    def __getattr__(self, name):
        """Whatever is asked."""
        raise AssertionError(f"the API server was asked to {name}")


def assigned(runtime="triton"):
    """Where the plan puts the model."""
    return Assignment(
        model="iris",
        namespace="models",
        runtime=runtime,
        pool="l4",
        replicas=2,
        cpu=2,
        memory_gib=4,
        accelerators=1,
    )


def runtime(tmp_path, kind="triton", images=("worker", "triton", "ray_serve")):
    """A runtime of a cluster on which nothing may happen."""
    site = Site(
        state=State(tmp_path / "state"), cluster=Cluster(images={name: f"{name}:1" for name in images}),
        mlflow="http://mlflow:5000", applier=Untouched(),
        placed=lambda _attempt, _model: Placed(assigned(kind), POOL, version="3"),
    )  # fmt: skip
    own = OwnProcesses()
    lab = Triton(own.state, own) if kind == "triton" else RayServe(own.state, dashboard="", proxy="")
    return Deployed(lab, site)


def package(tmp_path, external=(), **config):
    """A package's directory."""
    folder = tmp_path / "package"
    folder.mkdir()
    manifest = PackageManifest(
        model="iris",
        runtime="triton",
        files=(),
        runtime_config=config,
        contract={},
        source={},
        external=external,
    )
    files.write(folder, manifest)
    return folder


def weights(location, size_bytes=GIB):
    """Large files that lie somewhere."""
    file = PackageFile(path="a.safetensors", size_bytes=size_bytes, sha256="0" * 64)
    return ExternalFiles(directory="weights", location=location, revision="1", files=(file,))


def filling(tmp_path, *external, sizes=(), **volumes):
    """A package on its way."""
    small = tuple(PackageFile(path=f"{n}", size_bytes=size, sha256="0" * 64) for n, size in enumerate(sizes))
    manifest = PackageManifest(
        model="iris",
        runtime="triton",
        files=small,
        runtime_config={},
        contract={},
        source={},
        external=external,
    )
    version = PackageVersion(model="iris", version="3", digest="abcdef0123456789")
    return Filling(
        attempt="iris-1", assignment=assigned(), pool=POOL, version=version, manifest=manifest,
        volumes=PackageVolumes(**volumes), image="worker:1", mlflow="http://mlflow:5000",
        models=tmp_path / "models",
    )  # fmt: skip


def test_a_bridge_that_could_not_come_is_refused_before_triton_does(tmp_path):
    """Its image is not named, or nothing speaks what the clients speak: nothing is applied."""
    folder = package(tmp_path, bridge="ray_serve")
    with pytest.raises(InvalidInputError, match=r"cluster.images.ray_serve"):
        runtime(tmp_path, images=("worker", "triton")).deploy("iris-1", V1, folder)
    with pytest.raises(UnsupportedError, match="openai"):
        runtime(tmp_path).deploy("iris-1", CONTRACT.model_copy(update={"wire": "openai"}), folder)


@pytest.mark.parametrize(("contract", "at"), [
    (V1, Endpoint(host="10.0.0.1", port=8000)),
    (CONTRACT, Endpoint(host="10.0.0.1", port=8000, grpc_port=8001)),
])  # fmt: skip
def test_what_cannot_be_bridged_is_refused(tmp_path, contract, at):
    """An endpoint without gRPC, and clients that need no bridge to it."""
    with pytest.raises(InvalidInputError, match="gRPC"):
        runtime(tmp_path, "ray_serve").deploy("iris-1", contract, at)


@pytest.mark.parametrize("missing", ["worker", "triton"])
def test_an_image_that_is_not_named_is_one_clear_error(tmp_path, missing):
    """With the key of the settings that is missing."""
    images = {"worker", "triton"} - {missing}
    with pytest.raises(InvalidInputError, match=f"cluster.images.{missing}"):
        runtime(tmp_path, images=images).deploy("iris-1", CONTRACT, package(tmp_path))


def test_weights_that_pods_cannot_reach_are_refused_before_anything_is_applied(tmp_path):
    """A folder of the machine that packaged is none of theirs."""
    folder = package(tmp_path, external=(weights("file:///elsewhere/llama"),))
    with pytest.raises(UnsupportedError, match="file:///elsewhere/llama"):
        runtime(tmp_path).deploy("iris-1", CONTRACT, folder)


def test_taking_down_what_was_never_deployed_asks_nobody(tmp_path):
    """Every runtime is told when an attempt ends, whichever had it."""
    runtime(tmp_path).undeploy("iris-1")


def test_weights_in_the_models_claim_are_mounted_where_the_flows_have_them(tmp_path):
    """By either way of naming them; read-only."""
    for location in ("pvc://models/llama", (tmp_path / "models" / "llama").as_uri()):
        made = filling(tmp_path, weights(location))
        made.check()
        spec = volume.job(made)["spec"]["template"]["spec"]
        (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "models"]
        assert mount == {"name": "models", "mountPath": str(tmp_path / "models"), "readOnly": True}
        (source,) = [one for one in spec["volumes"] if one["name"] == "models"]
        assert source["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}


@pytest.mark.parametrize("location", ["pvc://models/../secrets", "pvc://other/llama", "s3://bucket/llama"])
def test_no_location_leads_out_of_the_claim(tmp_path, location):
    """Nor into another one, nor to what cannot be mounted."""
    with pytest.raises(UnsupportedError):
        filling(tmp_path, weights(location)).check()


def test_a_volume_has_room_for_the_package_and_some_more(tmp_path):
    """All files, the large ones too, and a quarter; never less than the least."""
    sizes = [
        filling(tmp_path).size_gib,
        filling(tmp_path, weights("pvc://models/a", 8 * GIB), sizes=(4 * GIB,)).size_gib,
        filling(tmp_path, sizes=(GIB,), least_gib=1024).size_gib,
    ]
    assert sizes == [1, 15, 1024]


def test_a_claim_is_what_the_settings_ask_for(tmp_path):
    """Class, access mode; without a class the cluster's own; filled only once it is said."""
    made = filling(tmp_path, storage_class="shared", access_mode="ReadWriteOnce")
    spec = volume.claim(made)["spec"]
    assert (spec["storageClassName"], spec["accessModes"]) == ("shared", ["ReadWriteOnce"])
    assert "storageClassName" not in volume.claim(filling(tmp_path))["spec"]
    assert FILLED not in volume.claim(made)["metadata"]["annotations"]
    assert volume.claim(made, filled=True)["metadata"]["annotations"][FILLED] == made.version.digest


def test_what_fetches_is_nobody_and_says_which_package(tmp_path):
    """No token, no root, the label that MLflow's policy lets in, the proved digest, the pool's nodes."""
    made = filling(tmp_path)
    template = volume.job(made)["spec"]["template"]
    spec, (container,) = template["spec"], template["spec"]["containers"]
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "turnout-fetch"
    assert not spec["automountServiceAccountToken"]
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 1000
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["args"][:4] == ["turnout", "package", "fetch", "iris"]
    assert {"--version=3", "--digest=abcdef0123456789", "--to=/claim/package"} <= set(container["args"])
    assert spec["nodeSelector"] == {"pool": "l4"}
    assert (
        made.package.volume()["persistentVolumeClaim"]["claimName"] == volume.claim(made)["metadata"]["name"]
    )
    assert Path("/claim", made.package.part()["subPath"]) == Path("/claim/package")
