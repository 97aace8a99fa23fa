"""The engine of Turnout: moves production models from KServe to Ray Serve, vLLM and Triton.

`turnout.domain` decides, `turnout.fabric` touches the world, `turnout.services` runs beside the
traffic, `turnout.lab` is the whole world on one machine. Flows and tasks stand beside this package.
"""

__version__ = "0.1.0"
