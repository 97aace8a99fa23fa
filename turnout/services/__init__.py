"""The two programs beside the router: the sentinel, which guards, and the shadow, which compares.

Both run apart from Prefect and MLflow and load neither; the supervisor of the lab (or a Deployment on a
cluster) starts them, and both go on from their files when they are started again. `collector` runs inside the
sentinel and takes what a Gateway's proxies tell.
"""
