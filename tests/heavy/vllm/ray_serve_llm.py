"""Run one application of Ray Serve LLM on this machine: `python ray_serve_llm.py FILE PORT`.

A script of the environment `vllm`. FILE holds the application as a declarative configuration has it. It
prints "ready" once Serve says that it runs, and ends when it is told to.
"""

import importlib
import json
import signal
import sys
from pathlib import Path

import ray
from ray import serve


def main(file: Path, port: int) -> None:
    """Deploy what the file says."""
    application = json.loads(file.read_text())
    module, _, builder = application["import_path"].partition(":")
    ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    built = getattr(importlib.import_module(module), builder)(application["args"])
    serve.run(built, name=application["name"], route_prefix=application["route_prefix"])
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
