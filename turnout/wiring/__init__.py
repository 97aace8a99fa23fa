"""The composition root: builds the adapters from the settings, and is the only place that does.

`guarding` holds what the way back needs and loads nothing slow; `migrating` adds registry, runtimes and
servers.
"""
