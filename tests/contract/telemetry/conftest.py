import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.telemetry import prometheus_package
from turnout.fabric import ports
from turnout.fabric.prometheus import Prometheus

END_SECONDS = 1_760_000_400
"""End of the window that the tests' series fill, aligned so that a block boundary is far."""

STEP_SECONDS = 15
WINDOW_SECONDS = 600


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Folder of `prometheus` and `promtool`: from PATH, else Debian's package."""
    try:
        return prometheus_package.binaries()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        pytest.fail(f"no prometheus on PATH, and Debian's package could not be fetched: {error}")


@pytest.fixture
def serve(binaries: Path, tmp_path: Path) -> Iterator[Callable[..., Prometheus]]:
    """Start a real Prometheus, on given series of the past, or scraping; it ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(openmetrics: str = "", config: str = "", flags: tuple[str, ...] = ()) -> Prometheus:
        data = tmp_path / "data"
        if openmetrics:
            text = tmp_path / "series.txt"
            text.write_text(f"{openmetrics}# EOF\n")
            backfill = [binaries / "promtool", "tsdb", "create-blocks-from", "openmetrics"]
            made = subprocess.run([*backfill, text, data], capture_output=True, text=True, check=False)
            assert made.returncode == 0, made.stdout + made.stderr
        (tmp_path / "prometheus.yml").write_text(config)
        port = ports.pick()
        with (tmp_path / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    binaries / "prometheus",
                    f"--config.file={tmp_path / 'prometheus.yml'}",
                    f"--storage.tsdb.path={data}",
                    "--storage.tsdb.retention.time=20y",
                    f"--web.listen-address=127.0.0.1:{port}",
                    *flags,
                ],
                stdout=log,
                stderr=log,
            )
        started.append(process)
        url = f"http://127.0.0.1:{port}"
        _await_ready(process, url, tmp_path / "prometheus.log")
        return Prometheus(url)

    yield start
    for process in started:
        process.kill()
        process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(f"{url}/-/ready", timeout=1).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)


class Series:
    """Series of the past, a sample each 15 s over the window, as OpenMetrics text."""

    def __init__(self) -> None:
        """Begin with none."""
        self._families: dict[tuple[str, str], list[str]] = {}

    def counter(self, name: str, per_second: float, *, reset_at: int | None = None, **labels: str) -> None:
        """A counter that grows evenly; it may start again from 0 at a sample."""

        def value(n: int) -> float:
            since = n if reset_at is None or n < reset_at else n - reset_at
            return per_second * STEP_SECONDS * since

        self._add(name, "counter", labels, value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """A gauge that stands still."""
        self._add(name, "gauge", labels, lambda _: value)

    def histogram(self, name: str, per_second: dict[str, float], **labels: str) -> None:
        """A histogram: requests a second of each bucket alone, by its upper bound."""
        total = 0.0
        for bound, rate in per_second.items():
            total += rate
            self.counter(f"{name}_bucket", total, le=bound, **labels)
        self.counter(f"{name}_count", total, **labels)

    def text(self) -> str:
        """All of it; promtool takes what it is not told the type of as it is."""
        return "".join("".join(lines) for lines in self._families.values())

    def _add(self, name: str, kind: str, labels: dict[str, str], value: Callable[[int], float]) -> None:
        told = ",".join(f'{key}="{one}"' for key, one in labels.items())
        lines = self._families.setdefault((name, kind), [])
        samples = WINDOW_SECONDS // STEP_SECONDS
        for n in range(samples + 1):
            at = END_SECONDS - (samples - n) * STEP_SECONDS
            lines.append(f"{name}{{{told}}} {value(n):.9g} {at}\n")


@pytest.fixture
def series() -> Series:
    """Series to be filled by the test."""
    return Series()
