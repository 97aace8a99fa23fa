"""The registry: evidence and packages, in MLflow or (for tests) in memory."""
