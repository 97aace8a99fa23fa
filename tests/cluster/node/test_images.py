"""Images from Dockerfiles: built without a Docker engine, they run on the node as they say."""

import shutil
from functools import partial
from pathlib import Path

from turnout.lab.cluster import dockerfiles, images, programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import store, unpacked


def succeeded(pod):
    """Whether a pod has ended well."""
    return pod.get("status", {}).get("phase") == "Succeeded"


def test_an_image_of_a_dockerfile_runs_on_the_node(cluster, writer, space):
    """The sentinel's image starts as the user that it names, with nothing but what it copies."""
    image = store.of(cluster.root).build("sentinel", print)
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    container = {
        "name": "sentinel",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["--help"],
        "securityContext": restricted,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sentinel", "namespace": space},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    writer.apply([pod])
    objects.wait(writer, pod, succeeded)


def test_what_is_unpacked_once_is_every_nodes_and_none_of_them_takes_it_away(tmp_path, monkeypatch):
    """Another cache, with the same builder's storage: an image and a program come in once, are lent twice."""
    cache, said = tmp_path / "cache", []
    (cache / "turnout" / "cluster").mkdir(parents=True)
    for each in programs.cache().glob("buildah*"):
        (cache / "turnout" / "cluster" / each.name).symlink_to(each)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    ensure = partial(unpacked.ensure, ("shadow",), lambda: (Path("/bin/true"),), said.append)
    ensure()
    image, program = dockerfiles.reference("shadow"), images.reference(Path("/bin/true"))
    assert said[-2:] == [f"unpacked the image {image}", f"unpacked the image {program}"]
    said.clear()

    for name in ("one", "another"):
        (tmp_path / name / "containerd").mkdir(parents=True)
        unpacked.lend(tmp_path / name)
        with unpacked.opened(tmp_path / name) as store:
            assert store.build("shadow", said.append) == image
            assert {image, program} <= store.references()
            store.remove({image})
            assert image not in store.references()
        shutil.rmtree(tmp_path / name)
    ensure()
    assert not said
    shutil.rmtree(cache)
