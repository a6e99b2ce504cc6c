"""Ctrl-C, `kill` and a closed terminal: one line, at any moment, and no earlier result of the stage lost."""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STARTER = "MISEDUCATION_STARTER"  # of processes that train together: the one that made them, which Ctrl-C is for
PATIENCE = 10  # seconds that an interrupted stage has to let go of its processes and folders

_came = 0  # the signal that ends this process
_works = False  # whether there is something to let go of
_is_over = False  # whether all that is left is to end
_is_done = False


def listen() -> None:
    """Makes them end this process in one line from now on, also while it imports.

    Those that are ignored, as after `nohup`, stay so. A rank leaves Ctrl-C to the process that started it; what others
    than `ranks.start` say of ranks may be meant for anybody.
    """
    if STARTER in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        for each in _heard():
            signal.signal(each, _interrupted)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    atexit.register(_leave)  # the first to be registered, and so the last to be called


@contextmanager
def unwinding() -> Iterator[None]:
    """Within it an interruption is a `KeyboardInterrupt`, so that the stage lets go of what it holds."""
    global _works, _is_over, _is_done
    _is_over = _is_done = False
    try:
        _works = True
        yield
        _is_done = not _came  # else a library has swallowed it
    except BaseException as error:
        if _came or isinstance(error, KeyboardInterrupt):  # or a library has made something else of it
            _end_in_order()
        raise
    finally:
        _is_over = True
    if not _is_done:
        _end_in_order()


@contextmanager
def for_us_alone() -> Iterator[None]:
    """Within it, processes are started that Ctrl-C does not reach.

    One that comes meanwhile comes at its end, or at once if another thread takes it.
    """
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def attend(arguments: list[str], *, quiet: bool = False) -> tuple[int, str]:
    """Runs a program that may tidy up, as after Ctrl-C, before we end because of any of them.

    Returns:
        Its exit status, and, if it is to be quiet, what it printed.
    """
    told: list[int] = []
    child: subprocess.Popen[str] | None = None

    def pass_on() -> None:
        # Not SIGTERM, of which DVC would die at once while its stage went on.
        with suppress(OSError):  # it has ended
            if child:
                os.killpg(child.pid, signal.SIGINT)

    def wait(number: int, _: FrameType | None) -> None:
        told.append(number)
        pass_on()

    stdout, stderr = (subprocess.PIPE, subprocess.STDOUT) if quiet else (None, None)
    earlier = {each: signal.signal(each, wait) for each in _heard()}
    try:
        # In a group of its own, so that a terminal's Ctrl-C reaches it through us only: once, as all others do.
        with subprocess.Popen(arguments, stdout=stdout, stderr=stderr, text=True, process_group=0) as child:
            if told:
                pass_on()
            output, _ = child.communicate()
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
    if told:
        signal.raise_signal(told[0])
    return child.returncode, output or ""


def restore() -> bool:
    """Puts the stage's earlier outputs back, if we are one; False if DVC has none."""
    # DVC deletes a stage's outputs before it starts the command; after a failure only its cache has them.
    name = os.environ.pop("DVC_STAGE", None)  # once is enough
    if not name or _follows():
        return True
    command = [sys.executable, "-m", "dvc", "checkout", "--quiet", "--force", name]
    # In a session of its own, out of reach of a second Ctrl-C.
    return subprocess.run(command, check=False, capture_output=True, start_new_session=True).returncode == 0


def _interrupted(number: int, _: FrameType | None) -> None:
    global _came
    _came = number
    _ignore_more()
    if not _works:
        _end()
    # If letting go takes long, or if somebody catches the exception on its way, the process ends all the same.
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(PATIENCE)
    if _is_over:  # libraries put their last things away; see `_leave`
        return
    sys.unraisablehook = lambda caught: _end() if caught.exc_type is KeyboardInterrupt else None
    raise KeyboardInterrupt


def _heard() -> list[signal.Signals]:
    return [each for each in ENDING if signal.getsignal(each) != signal.SIG_IGN]


def _follows() -> bool:
    """Whether torchrun, or who speaks as it does, made us, but not as the first: one will do to put outputs back."""
    return "WORLD_SIZE" in os.environ and os.environ.get("RANK", "0") != "0"


def _ignore_more() -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)


def _end(*_: object) -> NoReturn:
    _tell()
    os._exit(128 + _came)


def _end_in_order() -> NoReturn:
    _tell()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(PATIENCE)  # for threads that wait for what no longer comes
    sys.exit(128 + (_came or signal.SIGINT))


def _tell() -> None:
    _ignore_more()
    signal.alarm(0)
    told = "interrupted"
    if (name := os.environ.get("DVC_STAGE")) and not _is_done:
        kept = f"no earlier output of {name} is lost"
        told += "; " + (kept if restore() else f"DVC had no outputs to restore; `dvc checkout {name}` says more")
    # Below a progress bar, or the terminal's ^C. Not with print, which may be at work already.
    os.write(2, f"\n{told}\n".encode())


def _leave() -> None:
    # Else Python takes apart all that torch and MLflow have loaded: up to half a second, in which it minds no signal.
    if _is_done:
        sys.stdout.flush()
        if _came:  # after the last output was written, but those who started us are to stop
            _end()
        os._exit(0)
