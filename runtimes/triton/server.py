"""How one tritonserver is started: its command, its ports, and the backend directory of the lab.

The wheel `nvidia-pytriton` holds a real tritonserver with its Python backend alone. Triton's Python-based
backends fill the gap: a folder `onnxruntime/` with a `model.py` and links to the Python backend's own files.
"""

import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format
from pydantic import BaseModel, ConfigDict
from tritonclient.grpc import model_config_pb2 as pb

from turnout.domain.errors import UnsupportedError
from turnout.domain.server import ServerSpec
from turnout.fabric import ports
from turnout.lab import backends, faults

BACKENDS = frozenset({"python", "onnxruntime"})
"""What the lab's tritonserver runs: the first is its own, the second stands in for the native one."""
_LIBRARY, _STUB = "libtriton_python.so", "triton_python_backend_stub"
_WHERE = """
import json, sys, sysconfig
where = sysconfig.get_config_vars("LIBDIR") + [sysconfig.get_path("purelib"), "%d.%d" % sys.version_info[:2]]
print(json.dumps(where))
"""


class Ports(BaseModel):
    """TCP ports of one tritonserver."""

    model_config = ConfigDict(frozen=True)

    http: int
    grpc: int
    metrics: int

    @property
    def all(self) -> tuple[int, int, int]:
        """All of them."""
        return (self.http, self.grpc, self.metrics)


@dataclass(frozen=True)
class Installation:
    """Where the parts of tritonserver lie in the environment `triton`.

    Attributes:
        libraries: Directory of the interpreter's shared library.
        packages: The environment's site-packages.
        python: Version of the interpreter, `3.11`.
    """

    libraries: Path
    packages: Path
    python: str

    @property
    def root(self) -> Path:
        """Root of tritonserver inside the wheel."""
        return self.packages / "pytriton" / "tritonserver"

    @property
    def binary(self) -> Path:
        """The server."""
        return self.root / "bin" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The process that runs Python models, built for one version of Python."""
        return self.root / "python_backend_stubs" / self.python / _STUB


@functools.cache
def installation(environment: Path) -> Installation:
    """Find tritonserver in an environment.

    Raises:
        UnsupportedError: The environment has no tritonserver for its Python.
    """
    found = subprocess.run(
        [environment / "bin" / "python", "-c", _WHERE], capture_output=True, text=True, check=True, timeout=60
    )
    libraries, packages, python = json.loads(found.stdout)
    installed = Installation(Path(libraries), Path(packages), python)
    for part in (installed.binary, installed.stub):
        if not part.exists():
            raise UnsupportedError(
                "tritonserver",
                observed=f"no {part}",
                limit="nvidia-pytriton for this version of Python",
                remedy="Install the environment again from locks/triton.txt.",
            )
    return installed


def assemble_backends(installed: Installation, directory: Path) -> Path:
    """Put a backend directory together; harmless when it is there.

    Files are linked, but for two of the Python backend's: Triton takes no library that leads out of the
    directory, and it gives the stub the right to be executed, which its owner alone may do.

    Returns:
        The directory, for `--backend-directory`.
    """
    python = installed.root / "backends" / "python"
    utils = "triton_python_backend_utils.py"
    files = {
        f"python/{_LIBRARY}": python / _LIBRARY,
        f"python/{utils}": python / utils,
        f"python/{_STUB}": installed.stub,
        "onnxruntime/model.py": backends.ONNXRUNTIME,
        f"onnxruntime/{utils}": python / utils,
        f"onnxruntime/{_STUB}": installed.stub,
    }
    if (directory / "python").is_symlink():  # as it was laid out before models had Python of their own
        (directory / "python").unlink()
    for name, target in files.items():
        _place(directory / name, target)
    return directory


def _place(file: Path, target: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    staged = file.with_name(f".{file.name}.{os.getpid()}.new")
    if file.name in {_LIBRARY, _STUB}:
        if file.is_file() and file.stat().st_size == target.stat().st_size:
            return  # a running server has it mapped
        shutil.copy(target, staged)
    else:
        staged.unlink(missing_ok=True)
        staged.symlink_to(target)
    staged.replace(file)


def check(repository: Path) -> None:
    """See that the lab's tritonserver has the backend of each model.

    Raises:
        UnsupportedError: It has not; on a cluster, NVIDIA's image has all of those that are generated.
    """
    for file in sorted(repository.glob("*/config.pbtxt")):
        backend = text_format.Parse(file.read_text(), pb.ModelConfig()).backend
        if backend and backend not in BACKENDS:
            raise UnsupportedError(
                f"triton for {file.parent.name}",
                observed=f"backend {backend}",
                limit=f"a backend of the lab's tritonserver: {', '.join(sorted(BACKENDS))}",
                remedy="Deploy it on a cluster, or bring the model as ONNX.",
            )


def free_ports() -> Ports:
    """Three ports that nobody listens on now."""
    http = ports.pick()
    grpc = ports.pick({http})
    return Ports(http=http, grpc=grpc, metrics=ports.pick({http, grpc}))


def spec(
    *,
    name: str,
    attempt: str,
    model: str,
    repository: Path,
    listen: Ports,
    installed: Installation,
    state_root: Path,
) -> ServerSpec:
    """The tritonserver of one attempt, as it should run.

    Args:
        name: Name of the server.
        attempt: The attempt, whose faults the lab may put in.
        model: The one model that is loaded (explicit model control: polling is not for production).
        repository: Model repository.
        listen: Where it listens.
        installed: Where tritonserver is.
        state_root: The state directory.
    """
    command = (
        str(installed.binary),
        f"--model-repository={repository}",
        f"--backend-directory={assemble_backends(installed, state_root / 'work' / 'triton' / 'backends')}",
        "--model-control-mode=explicit",
        f"--load-model={model}",
        "--http-address=127.0.0.1",
        f"--http-port={listen.http}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={listen.grpc}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={listen.metrics}",
        "--http-thread-count=2",
        "--disable-auto-complete-config",
        "--exit-timeout-secs=3",
    )
    env = {
        "LD_LIBRARY_PATH": f"{installed.libraries}:{installed.packages / 'nvidia_pytriton.libs'}",
        "PYTHONPATH": str(installed.packages),
        # One thread each: two cores serve a whole lab.
        "OMP_NUM_THREADS": "1",
        faults.VARIABLE: str(faults.file(state_root, attempt)),
    }
    return ServerSpec(
        name=name,
        environment="triton",
        command=command,
        env=env,
        ready_url=f"http://127.0.0.1:{listen.http}/v2/models/{model}/ready",
        ports=listen.all,
    )
