"""MLflow's pages, served as `make ui` serves them."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# What MLflow complains of by itself: it asks who is logged in, where nobody need be, and Chromium tells of its layout.
ITS_OWN = "mlflow/users/current", "ResizeObserver loop completed"
ADDRESS = re.compile(r"^(\S[\w ]+?) +(http://127\.0\.0\.1:\d+/#/\S+)$", re.MULTILINE)


@contextmanager
def served(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Serves the runs of a project as long as the block lasts; yields the addresses that it prints, by their names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = ["make", "--silent", f"VENV={sys.prefix}", f"--assume-old={sys.prefix}/.installed", f"PORT={port}", "ui"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ours, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield dict(ADDRESS.findall(_begun(process, port, log)))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)
        assert "HTTP/1.1" not in (told := _told(log)), f"a line for each request: {told}"


def _begun(process: subprocess.Popen[bytes], port: int, log: IO[str]) -> str:
    """What it says until it answers."""
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return _told(log)
        assert process.poll() is None, _told(log)
        time.sleep(0.1)
    raise TimeoutError(_told(log))


def _told(log: IO[str]) -> str:
    log.seek(0)
    return log.read()
