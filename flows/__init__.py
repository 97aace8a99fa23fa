"""The order of things: one flow a phase, `migrate` (one model through all), `portfolio` (many), `watch`.

Deployed from prefect.yaml with module entrypoints, run by Prefect's workers. Every flow is safe to run again,
from the start, on another machine: measuring phases find their evidence, acting ones look at the world first.
"""
