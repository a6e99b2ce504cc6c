"""Limits for stores: of time for the whole, of length for each answer of a server, of where it has us write."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

LONGEST = 100_000_000  # bytes; that of 10,000 cells has a tenth of it

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Does some work that may hang in a library, and leaves it alone there when the time is over.

    What the libraries log meanwhile is dropped, as it may hold passwords: what matters they raise.

    Raises:
        TimeoutError: If it is not done in time.
    """
    done: Future[T] = Future()

    def attempt() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    logging.disable()
    try:
        threading.Thread(target=attempt, daemon=True).start()
        return done.result(seconds)
    except TimeoutError:
        if done.done():
            raise
        raise TimeoutError(f"it did not finish within {seconds:.0f} s") from None
    finally:
        logging.disable(logging.NOTSET)


def limit_answers() -> None:
    """Makes requests, by which MLflow speaks to servers, refuse an answer longer than `LONGEST`."""
    from requests.adapters import HTTPAdapter
    from requests.exceptions import RequestException

    send = HTTPAdapter.send
    if send.__module__ == __name__:
        return

    def limited(adapter: Any, request: Any, stream: bool = False, **options: Any) -> Any:
        answer = send(adapter, request, stream=True, **options)
        if not stream:  # or requests reads it as soon as we return
            body = bytearray()
            for chunk in answer.iter_content(65_536):
                body += chunk
                if len(body) > LONGEST:
                    answer.close()
                    raise RequestException(f"the answer is longer than {LONGEST} bytes")
            answer._content = bytes(body)
        return answer

    HTTPAdapter.send = limited  # type: ignore[method-assign, assignment]


def limit_places(allowed: Callable[[Path], bool]) -> None:
    """Makes MLflow refuse artefact places in folders of this machine that are not allowed: the store says where."""
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.utils.file_utils import local_file_uri_to_path

    def local(place: str, *arguments: Any, **options: Any) -> Any:
        if not allowed(Path(local_file_uri_to_path(place)).resolve()):
            raise PermissionError(f"it wants artefacts in a folder of this machine, {place}, but is on another machine")
        return LocalArtifactRepository(place, *arguments, **options)

    for scheme in ("", "file"):
        _artifact_repository_registry.register(scheme, local)
