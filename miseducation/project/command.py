"""How a stage runs as a command: one clear line for the user's mistakes, and no earlier result lost."""

import errno
import gc
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from miseducation.errors import InputError
from miseducation.project import interruptions
from miseducation.project.git import baseline
from miseducation.project.messages import printable

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def listen() -> None:
    """Makes whatever ends this process from now on leave the stage's earlier outputs, also while it imports."""
    sys.excepthook = _failed
    interruptions.listen()


def run(stage: Callable[[], None], *, check: Callable[[], None] = lambda: None) -> None:
    """Runs a stage; on failure puts the stage's earlier outputs back and exits with status 1, after Ctrl-C with 130.

    `check` looks through all of `params.yaml` before: so a mistake in what a later stage reads stops the pipeline, too.
    """
    sys.argv[1:] = map(plain, sys.argv[1:])  # argparse prints what it does not know
    # Without a line of our code.
    warnings.formatwarning = lambda message, *_, **__: f"warning: {plain(str(message))}\n"
    gc.set_threshold(100_000)  # importing makes many objects and no rubbish: a quarter of a second less in most stages
    try:
        with interruptions.unwinding():
            _check_copy()
            check()
            stage()
            sys.stdout.flush()  # while it can still be told that nobody reads it
    except InputError as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
    except BrokenPipeError:
        interruptions.restore()
        if not _is_unread():
            raise  # it was another pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains while it ends
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_FULL:
            interruptions.restore()
            raise
        where = f" while writing {plain(str(error.filename))}" if error.filename else ""
        print(f"error: the disk is full{where}; free some space, then repeat the command", file=sys.stderr)
    except BaseException:
        interruptions.restore()
        raise
    else:
        return
    interruptions.restore()
    sys.exit(1)


def plain(text: str) -> str:
    r"""The text without characters that a terminal would obey or that nobody sees.

    >>> plain("\x1b[2J café\n")
    '\\x1b[2J café\n'
    """
    return printable(text, keep="\n\t")


def end_with(starter: int) -> None:
    """Makes this process leave Ctrl-C to the one that started it, and end when that does, however it came about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_unread() -> bool:
    """Whether who read what we print has seen enough, as `head` does."""
    asked = select.poll()
    asked.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in asked.poll(0))


def _failed(*error: Any) -> None:
    print(plain("".join(traceback.format_exception(*error))), end="", file=sys.stderr)
    interruptions.restore()


def _check_copy() -> None:
    # `dvc exp run --temp` and `--queue` run us in a copy of the project at DVC_ROOT.
    root = Path(os.environ.get("DVC_ROOT", "."))
    if root.resolve() != Path.cwd():
        baseline(root)  # what DVC could not keep is not worth the work
