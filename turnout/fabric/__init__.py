"""What models and traffic run on: the router, where servers run, telemetry, the registry.

Every adapter here implements a Protocol of `turnout.domain` and is built by `turnout.wiring` alone.
"""
