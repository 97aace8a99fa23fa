"""The volume that an attempt's package lies in, and the Job that brings it there. Pure.

A package never changes in its volume: another package of the same attempt gets a volume of its own, and the
servers are moved to it.
"""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

from runtimes.kubernetes import pods
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Package, object_name
from turnout.domain.assignment import Assignment
from turnout.domain.errors import TurnoutError, UnsupportedError
from turnout.domain.package import PackageManifest, PackageVersion
from turnout.domain.pools import Pool
from turnout.domain.quantity import GIB
from turnout.fabric import storage
from turnout.settings import PackageVolumes

FETCH = "turnout-fetch"
"""Label of the Job's pods: MLflow's NetworkPolicy lets them in."""
FILLED = "turnout.dev/filled"
"""Annotation of a claim that holds the whole package: its digest."""
_FOLDER = "package"
_CLAIM = "/claim"
_ROOM = 1.25
"""File systems keep some of a volume to themselves."""
_TRIES = 2
"""Again after a failure, for MLflow may be away for a moment."""
_DIGEST = 8


@dataclass(frozen=True)
class Filling:
    """A package on its way to its pods.

    Attributes:
        attempt: The attempt.
        assignment: Where it goes.
        pool: The pool of that name.
        version: The package.
        manifest: What it says of itself.
        volumes: What volumes are like.
        image: Turnout's own image, which fetches.
        mlflow: URL of the registry, as it is reached from the pods.
        models: Where the flows have the claim `models` mounted.
    """

    attempt: str
    assignment: Assignment
    pool: Pool
    version: PackageVersion
    manifest: PackageManifest
    volumes: PackageVolumes
    image: str
    mlflow: str
    models: Path

    @property
    def name(self) -> str:
        """Name of claim and Job: of the attempt's objects, and of the package."""
        mine = object_name(self.assignment.runtime, self.attempt)
        return f"{mine}-{self.version.digest[:_DIGEST]}"

    @property
    def package(self) -> Package:
        """What the servers mount."""
        return Package(claim=self.name, folder=_FOLDER)

    @property
    def size_gib(self) -> int:
        """Size of the volume."""
        files = (*self.manifest.files, *(f for part in self.manifest.external for f in part.files))
        return max(self.volumes.least_gib, ceil(sum(f.size_bytes for f in files) * _ROOM / GIB))

    def check(self) -> None:
        """See that the Job's pod reaches all files of the package.

        Raises:
            UnsupportedError: Large files lie elsewhere than in the claim that it can mount.
        """
        for part in self.manifest.external:
            if not self._is_in_claim(part.location):
                raise UnsupportedError(
                    f"package of {self.version.model}", observed=f"{part.directory} lies at {part.location}",
                    limit=f"files below {self.models}, the claim {storage.CLAIM} of the model's namespace",
                    remedy="Put them there, mount that claim in the flows, too, and package the model again.",
                )  # fmt: skip

    def _is_in_claim(self, location: str) -> bool:
        try:
            place = storage.resolve(self.version.model, location, self.models)
        except TurnoutError:
            return False
        return place.resolve().is_relative_to(self.models.resolve())


def claim(filling: Filling, *, filled: bool = False) -> Object:
    """The claim of an attempt's package.

    Args:
        filling: The package.
        filled: Whether it holds the whole package by now.
    """
    volumes = filling.volumes
    storage_class = {"storageClassName": volumes.storage_class} if volumes.storage_class else {}
    made: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(filling),
        "spec": {
            "accessModes": [volumes.access_mode],
            "resources": {"requests": {"storage": f"{filling.size_gib}Gi"}},
            **storage_class,
        },
    }
    if filled:
        made["metadata"]["annotations"][FILLED] = filling.version.digest
    return made


def job(filling: Filling) -> Object:
    """The Job that fetches the package, every file checked against its digest.

    It runs on the pool's nodes: a volume that is made where its first pod is can be mounted there only.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(filling),
        "spec": {
            "backoffLimit": _TRIES,
            "template": {"metadata": {"labels": _labels(filling)}, "spec": _pod(filling)},
        },
    }


def _pod(filling: Filling) -> Object:
    volumes, mounts = _mounts(filling)
    return {
        "nodeSelector": pods.selector(filling.pool),
        "tolerations": pods.tolerations(filling.pool),
        **pods.restrictions(),
        "restartPolicy": "Never",
        "volumes": volumes,
        "containers": [
            {
                "name": "fetch",
                "image": filling.image,
                "args": _command(filling),
                "env": [
                    {"name": "HOME", "value": pods.SCRATCH},
                    {"name": "LOGNAME", "value": FETCH},  # the image knows no user of this number
                ],
                "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
                "volumeMounts": mounts,
                "securityContext": pods.container_restrictions(),
            }
        ],
    }


def _mounts(filling: Filling) -> tuple[list[Object], list[Object]]:
    """Volumes and mounts: the claim, a scratch folder, and where large files lie, if there are any."""
    volumes: list[Object] = [
        {"name": "package", "persistentVolumeClaim": {"claimName": filling.name}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts: list[Object] = [
        {"name": "package", "mountPath": _CLAIM},
        {"name": "scratch", "mountPath": pods.SCRATCH},
    ]
    if filling.manifest.external:
        source = {"claimName": storage.CLAIM, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": source})
        mounts.append({"name": "models", "mountPath": str(filling.models), "readOnly": True})
    return volumes, mounts


def _command(filling: Filling) -> list[str]:
    version = filling.version
    return [
        "turnout", "package", "fetch", version.model,
        f"--version={version.version}", f"--digest={version.digest}", f"--mlflow={filling.mlflow}",
        f"--models={filling.models}", f"--to={_CLAIM}/{_FOLDER}",
    ]  # fmt: skip


def _metadata(filling: Filling) -> Object:
    return {
        "name": filling.name,
        "namespace": filling.assignment.namespace,
        "labels": _labels(filling),
        "annotations": {
            "turnout.dev/attempt": filling.attempt, "turnout.dev/model": filling.assignment.model,
        },
    }  # fmt: skip


def _labels(filling: Filling) -> dict[str, str]:
    """Found with all else of the attempt; the servers' Service and budget do not find its pods."""
    return {
        "app.kubernetes.io/name": FETCH,
        "app.kubernetes.io/managed-by": "turnout",
        pods.INSTANCE: object_name(filling.assignment.runtime, filling.attempt),
    }
