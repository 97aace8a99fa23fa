"""vLLM under Ray's control: the Ray Serve application that runs its replicas. Pure.

Ray Serve LLM (`ray.serve.llm`) starts the engines, counts and scales their replicas and routes between them.
The form is that of a declarative Serve configuration: a RayService's, and that of Serve's REST interface.
"""

from collections.abc import Mapping
from typing import Any

IMPORT_PATH = "ray.serve.llm:build_openai_app"


def application(
    *,
    name: str,
    model: str,
    weights: str,
    options: Mapping[str, Any],
    replicas: Mapping[str, Any],
    bundles: list[dict[str, int]],
) -> dict[str, Any]:
    """The application of one model.

    Args:
        name: Name of the application.
        model: Name that clients call the model by.
        weights: Folder with config, weights, tokenizer and chat template.
        options: vLLM's options by their names in Python. `root_path` is Serve's matter: it becomes the prefix
            of the application's routes.
        replicas: Serve's deployment options: `num_replicas`, or `autoscaling_config`.
        bundles: Resources of a replica, one entry for each of its processes.
    """
    engine = {key: value for key, value in options.items() if key != "root_path"}
    config = {
        "model_loading_config": {"model_id": model, "model_source": weights},
        "engine_kwargs": engine,
        "deployment_config": dict(replicas),
        "placement_group_config": {"bundles": bundles, "strategy": "PACK"},
    }
    return {
        "name": name,
        "route_prefix": options.get("root_path", "/"),
        "import_path": IMPORT_PATH,
        "args": {"llm_configs": [config]},
    }
