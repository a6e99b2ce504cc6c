"""A Ray cluster: models on all its nodes. `make study ENGINE=ray RAY_ADDRESS=…`."""

import logging
import os
import re
import secrets
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from miseducation.errors import InputError
from miseducation.studies.bench import Bench
from miseducation.studies.engines import Engine, Failure, Model, Result, attempt

HERE = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds without a result before we look whether there is anybody left
RETRIES = 3  # of a model whose worker or node died
PER_GPU = 8  # models at once on each GPU


@final
class Ray(Engine):
    """Tasks of a Ray cluster: the one at `RAY_ADDRESS`, or one of this machine's own for as long as it takes."""

    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        """See `Engine.run`. Ray runs what a dead worker or node has left again, on those that remain."""
        if not find_spec("ray"):
            raise InputError("the engine ray needs its package: pip install '.[ray]'")
        cpus, gpus = bench.compute.threads, 1 / PER_GPU if bench.compute.device == "cuda" else 0
        with _cluster(cpus, gpus):
            import ray

            # Once per node, in memory that its workers share; other machines do not see our files.
            shared = ray.put(replace(bench, train=bench.train[:]))
            task = ray.remote(attempt).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)
            running, told = {task.remote(shared, model): model for model in models}, False
            while running:
                ready, _ = ray.wait(list(running), timeout=PATIENCE)
                if not ready and not told and not _able(cpus, gpus):
                    told = True
                    warnings.warn(
                        "the Ray cluster has lost all nodes that could continue; waiting for one", stacklevel=1
                    )
                for done in ready:
                    model = running.pop(done)
                    try:
                        yield model, ray.get(done)
                    except ray.exceptions.RayError as error:
                        yield model, Failure(f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])


@contextmanager
def _cluster(cpus: int, gpus: float) -> Iterator[None]:
    """Connects to the cluster, or starts one, and checks that it can run a task that wants so much."""
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:
        # Loopback only, whatever the system is called, and a token that nobody else knows.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()}
    import ray

    own: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        if address and (place := re.fullmatch(r"(.+):(\d+)", address)):
            socket.create_connection((place[1].strip("[]"), int(place[2])), timeout=10).close()  # Ray tries for minutes
        # Nodes get our code with the job, but not our environment: they need the same packages.
        code = {"py_modules": [str(HERE)]}
        ray.init(address or "local", runtime_env=code, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what = f"the Ray cluster at RAY_ADDRESS = {address!r} cannot be used" if address else "Ray does not start"
        raise InputError(f"{what}: {error}") from None
    try:
        if not _able(cpus, gpus):
            wanted = f"{cpus} CPUs (compute.threads)" + " and a GPU (compute.device)" * bool(gpus)
            raise InputError(f"no node of the Ray cluster has {wanted}")
        yield
    finally:
        ray.shutdown()


@cache
def _token() -> str:
    """Of all clusters of this process, as Ray reads it but once."""
    return secrets.token_hex(32)


def _able(cpus: int, gpus: float) -> bool:
    """Whether a living node has so many CPUs and GPUs."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes)
