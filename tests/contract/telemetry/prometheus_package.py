"""A real Prometheus: the installed one, else Debian's package, which needs no root this way."""

import os
import shutil
import subprocess
from pathlib import Path

from turnout.fabric import environments


def binaries() -> Path:
    """Folder of `prometheus` and `promtool`: from PATH, else of Debian's package, kept by its version.

    Raises:
        OSError: There is no apt-get or dpkg-deb.
        subprocess.CalledProcessError: The package could not be fetched.
        ValueError: It is not what was expected.
    """
    found = shutil.which("prometheus")
    return Path(found).parent if found and shutil.which("promtool") else _fetched()


def _fetched() -> Path:
    policy = subprocess.run(
        ["apt-cache", "policy", "prometheus"], capture_output=True, text=True, check=False
    ).stdout
    version = next((x.split()[1] for x in policy.splitlines() if "Candidate:" in x), "(none)")
    folder = environments.cache() / "prometheus" / version.replace(":", "_")
    if not (folder / "usr/bin/prometheus").exists():
        staged = folder.with_name(f"{folder.name}.{os.getpid()}")
        staged.mkdir(parents=True)
        try:
            subprocess.run(["apt-get", "download", "prometheus"], cwd=staged, check=True, capture_output=True)
            [package] = staged.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", package, staged], check=True, capture_output=True)
            package.unlink()
            staged.replace(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return folder / "usr/bin"
