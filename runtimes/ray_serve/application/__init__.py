"""The Python files of a package for Ray Serve; they run in the application's own environment, never here.

Copied into each package as they are, so that a package is whole. They import nothing of the project, and Ray
only in `application.py`: the proof runs the others without a cluster.
"""
