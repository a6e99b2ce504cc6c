"""What the tests of the tracking share."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no word of any other in the environment."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def root(bare: Path, empty_store: Path) -> Path:
    """A folder with an empty store, and nothing else."""
    shutil.copy(empty_store, bare / "mlflow.db")
    return bare
