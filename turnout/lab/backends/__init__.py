"""Serving backends of the lab: files that run inside a server's own process, never imported here."""

from pathlib import Path

ONNXRUNTIME = Path(__file__).parent / "onnxruntime" / "model.py"
"""Triton's `onnxruntime` backend in Python."""
