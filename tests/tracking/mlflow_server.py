"""A real MLflow server, which can be killed and comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class Server:
    """A server on this machine with a SQLite store; call `start` first.

    Args:
        store: The database.
        artefacts: The folder for artefacts.
    """

    def __init__(self, store: Path, artefacts: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._options = ["--backend-store-uri", f"sqlite:///{store}", "--artifacts-destination", str(artefacts)]
        self._home = artefacts.parent

    def start(self) -> None:
        listen = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        environment = {"PATH": "/usr/bin:/bin", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "HOME": str(self._home)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *listen, *self._options],
            env=environment,
            start_new_session=True,
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise TimeoutError("the server does not answer")

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
