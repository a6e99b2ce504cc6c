"""A Ray cluster: models on all its nodes. `make sweep ENGINE=ray RAY_ADDRESS=…`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import final

from stages.cells import Bench
from stages.command import InputError
from stages.engines import Engine, Failure, Model, Result, attempt

HERE = Path(__file__).parent.parent
RETRIES = 3  # of a model whose worker or node died
PER_GPU = 8  # models at once on each GPU


@final
class Ray(Engine):
    """Tasks of a Ray cluster: the one at `RAY_ADDRESS`, or one of this machine's own for as long as it takes."""

    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        """See `Engine.run`. Ray runs what a dead worker or node has left again, on those that remain."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ModuleNotFoundError:
            raise InputError("the engine ray needs its package: pip install '.[ray]'") from None
        with _cluster():
            # Once per node, in memory that its workers share; other machines do not see our files.
            shared = ray.put(replace(bench, train=bench.train[:]))
            task = ray.remote(attempt).options(
                num_cpus=bench.compute.threads,
                num_gpus=1 / PER_GPU if bench.compute.device == "cuda" else 0,
                max_retries=RETRIES,
            )
            running = {task.remote(shared, model): model for model in models}
            while running:
                (done,), _ = ray.wait(list(running))
                model = running.pop(done)
                try:
                    yield model, ray.get(done)
                except ray.exceptions.RayError as error:
                    yield model, Failure(f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])


@contextmanager
def _cluster() -> Iterator[None]:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    # Nodes get our code with the job, not our environment: they need the same packages.
    job = {"runtime_env": {"py_modules": [str(HERE)]}, "log_to_driver": False, "logging_level": "error"}
    local = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}  # on loopback only
    try:
        ray.init(address=address, **job) if address else ray.init(**local, **job)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError) as error:
        raise InputError(f"there is no Ray cluster at RAY_ADDRESS = {address!r}: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()
