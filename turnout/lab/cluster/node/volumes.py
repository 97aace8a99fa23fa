"""Volumes for the claims of a kustomization: folders of the node, for there is nothing that makes any.

They are of the `local` kind, which gives a folder the group that a pod asks for, as a cloud's disks do.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.lab.cluster.credentials import NODE_NAME

_MERGE = "application/merge-patch+json"
_FREED = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}


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
        item = _volume(claim, place)
        place.mkdir(parents=True, exist_ok=True)
        (found,) = applier.apply([item])
        if found.get("status", {}).get("phase") == "Released":
            _empty(place)
            applier.call("PATCH", applier.path(item), body=_FREED, content=_MERGE)


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
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{meta['namespace']}-{meta['name']}"},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
            },
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
