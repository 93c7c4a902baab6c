"""The files that `ablate init` writes: a study to start from, and cluster files with what they need beside them."""

from pathlib import Path

FILES = Path(__file__).parent / "files"
"""The files as they ship, in the layout that they are written in."""
