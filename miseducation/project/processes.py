"""Work in other processes of this machine, which end when this one does, and which Ctrl-C does not reach."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import Any, TypeVar

from joblib.externals.loky import get_reusable_executor

from miseducation.project.command import end_with
from miseducation.project.interruptions import for_us_alone

T = TypeVar("T")


def side_by_side(
    function: Callable[..., T], calls: Sequence[tuple[Any, ...]], processes: int
) -> Iterator[tuple[int, T]]:
    """Calls a function with each of these arguments, so many at once.

    Yields:
        The number of a call and its result, as soon as it is there.

    Raises:
        BrokenProcessPool: If a process died; what else was running has no result.
    """
    # Not joblib.Parallel, which with one process works in ours: a call that kills its process would kill us.
    pool = get_reusable_executor(min(len(calls), processes), initializer=end_with, initargs=(os.getpid(),))
    resource_tracker.ensure_running()  # when it starts, it lets Ctrl-C through again
    with for_us_alone():  # until `end_with` is called, the processes would print where Ctrl-C met them
        running = {pool.submit(function, *each): number for number, each in enumerate(calls)}
    try:
        for done in as_completed(running):
            yield running[done], done.result()
    except BrokenProcessPool:  # it has ended already
        raise
    except BaseException:
        earlier = threading.excepthook
        threading.excepthook = lambda _: None  # the pool's own thread may trip over what is taken away from it
        try:
            pool.shutdown(kill_workers=True)
        finally:
            threading.excepthook = earlier
        raise
