"""Processes that train one model together, the ranks: where this one stands, and how this machine's are started.

A rank is told its place by the environment, in the words of torchrun, which starts ranks on several machines. Here they
meet in a file instead: torchrun's meeting point listens on all of the machine's addresses, and its ranks outlive it if
it is killed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time

from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.interruptions import STARTER, for_us_alone

MEETING = "MISEDUCATION_MEETING"  # where the ranks that `start` made meet, as a URL


def count() -> int:
    """How many ranks there are, on all machines; 0 if this process is none."""
    return int(os.environ["WORLD_SIZE"]) if "RANK" in os.environ and "WORLD_SIZE" in os.environ else 0


def number() -> int:
    """This rank's number, from 0: the first writes the files. 0 also for a process that is no rank."""
    return int(os.environ["RANK"]) if count() else 0


def local_count() -> int:
    """How many of the ranks are on this machine; 0 if this process is none."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", count())) if count() else 0


def local_number() -> int:
    """This rank's number among those on this machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", number())) if count() else 0


def end_with_starter() -> None:
    """Makes a rank end when the process that started it does, ours or torchrun's."""
    if count():
        command.end_with(int(os.environ.get(STARTER, os.getppid())))


def start(*arguments: str, processes: int) -> None:
    """Runs `python` with these arguments once for each rank, all on this machine, until all have ended, or one fails.

    Raises:
        InputError: If a rank was killed.
        SystemExit: If a rank ended with an error; it has said which.
    """
    # DVC's stage is the starter's: it alone puts earlier outputs back after a failure.
    inherited = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    ranks: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="miseducation-") as folder:
        shared = {STARTER: os.getpid(), MEETING: f"file://{folder}/ranks"}
        try:
            for rank in range(processes):
                place = {"RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": processes}
                told = {name: str(value) for name, value in {**shared, **place}.items()}
                with for_us_alone():  # until it listens itself, a rank would print where Ctrl-C met it
                    ranks.append(subprocess.Popen([sys.executable, *arguments], env=inherited | told))
            statuses = [rank.poll() for rank in ranks]
            while None in statuses and not any(statuses):
                time.sleep(0.05)
                statuses = [rank.poll() for rank in ranks]
        finally:
            for each in ranks:
                each.kill()
            for each in ranks:
                each.wait()
    for rank, status in enumerate(statuses):
        if status and status < 0:
            cause = signal.Signals(-status).name
            raise InputError(f"process {rank} of {processes} was ended by {cause}; perhaps there was too little memory")
        if status:
            sys.exit(status)
