"""Copies what is deployed, so that a test may build or change it."""

import shutil
from pathlib import Path

from terraform.functions import ROOT

DEPLOYED = ("functions", "shared", "openapi.yaml")


def copy_checkout(root: Path) -> None:
    """Copy functions, shared code and contract into the folder."""
    for name in DEPLOYED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
