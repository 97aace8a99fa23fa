"""Volumes for the claims of a kustomization: folders of the node, for there is nothing that makes any.

They are of the `local` kind, which gives a folder the group that a pod asks for, as a cloud's disks do.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.lab.cluster.credentials import NODE_NAME

PACKAGES = "turnout-packages"
"""Storage class of the volumes that packages are brought to."""
_PACKAGE_VOLUMES = 8
_PACKAGE_SIZE = "2Gi"
_MERGE = "application/merge-patch+json"
_FREED = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
_FORGOTTEN = {"spec": {"claimRef": None}}


def ensure(applier: Applier, folder: Path, objects: Iterable[Object]) -> None:
    """Make a volume for each claim of the objects; one whose claim was deleted is empty and free again.

    Args:
        applier: A connection that writes.
        folder: Where their folders lie, on a disk of the node.
        objects: Complete manifests; those that are no claims and make none are passed over.

    Raises:
        TurnoutError: The API server does not take one, or does not answer.
    """
    for claim in claims(objects):
        place = folder / claim["metadata"]["name"]
        _ensure(applier, place, _volume(claim, place), _FREED)


def ensure_for_packages(applier: Applier, folder: Path) -> None:
    """Make volumes of the class `PACKAGES` for whichever claims ask for one; used ones are emptied.

    Args:
        applier: A connection that writes.
        folder: Where their folders lie, on a disk of the node.

    Raises:
        TurnoutError: The API server does not take one, or does not answer.
    """
    for number in range(_PACKAGE_VOLUMES):
        name = f"{PACKAGES}-{number}"
        item = _local(name, folder / name, _PACKAGE_SIZE, ["ReadWriteOnce"])
        item["spec"]["storageClassName"] = PACKAGES
        _ensure(applier, folder / name, item, _FORGOTTEN)


def _ensure(applier: Applier, place: Path, item: Object, freed: Object) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (found,) = applier.apply([item])
    if found.get("status", {}).get("phase") == "Released":
        _empty(place)
        applier.call("PATCH", applier.path(item), body=freed, content=_MERGE)


def claims(objects: Iterable[Object]) -> Iterator[Object]:
    """The claims among objects, and those that their StatefulSets make for each replica."""
    for item in objects:
        if item["kind"] == "PersistentVolumeClaim":
            yield item
        elif item["kind"] == "StatefulSet":
            space, name = item["metadata"]["namespace"], item["metadata"]["name"]
            for template in item["spec"].get("volumeClaimTemplates", ()):
                for number in range(item["spec"]["replicas"]):
                    made = f"{template['metadata']['name']}-{name}-{number}"
                    yield {**template, "metadata": {"name": made, "namespace": space}}


def _volume(claim: Object, place: Path) -> Object:
    """The volume that is kept for a claim, and for no other."""
    meta, spec = claim["metadata"], claim["spec"]
    name, size = f"{meta['namespace']}-{meta['name']}", spec["resources"]["requests"]["storage"]
    item = _local(name, place, size, spec["accessModes"])
    item["spec"]["claimRef"] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": meta["namespace"],
        "name": meta["name"],
    }
    return item


def _local(name: str, place: Path, size: str, modes: list[str]) -> Object:
    """A volume that is a folder of the node."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
