"""MLflow servers that are slow, endless, or lie: each ends soon with a warning that nothing of theirs can garble."""

import base64
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from miseducation.tracking import addresses, limits
from miseducation.tracking import runs as stores
from miseducation.tracking import track as tracking
from miseducation.tracking.addresses import Address
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.runs import Store
from miseducation.tracking.track import track
from tests.hostile.forged.servers import endless, send, serving, trickle
from tests.tracking.made import write_result

Record = Callable[[Callable[[BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def told(bare: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Record:
    """Records a result at a server that answers so; returns all that was printed, but for the hint."""
    write_result(bare)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def record(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        with serving(answer) as address:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("//", "//me:se%2Fcr%C3%A9t@"))
            store = Store(bare)
            track(store, bare, {})
            assert not store.holds(read_result(bare).key), "the result is not lost"
            out, error = capfd.readouterr()
            start, hint = f"warning: MLflow at {address} did not accept the result: ", f"\nwarning: {tracking.HINT}\n"
            assert error.startswith(start)
            assert error.endswith(hint)
            assert out == ""
            message = error.removeprefix(start).removesuffix(hint)
            assert message.isprintable()
            for secret in ("se/cr", "se%2", "crét", "cr%C3", base64.b64encode("me:se/crét".encode()).decode()):
                assert secret not in message
            return message

    return record


def test_a_server_that_sends_a_byte_now_and_then_has_a_limited_time(told: Record) -> None:
    start = time.monotonic()
    assert told(lambda request: trickle(request, 0.2)) == "it did not finish within 7 s"
    assert time.monotonic() - start < 10


def test_one_that_bids_us_wait_has_no_more(told: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setattr(stores, "_patience", lambda _: 1.0)

    def later(request: BaseHTTPRequestHandler) -> None:
        request.send_response(503)
        request.send_header("Retry-After", "3600")
        request.send_header("Content-Length", "0")
        request.end_headers()

    assert told(later) == "it did not finish within 1 s"


def test_a_store_that_did_not_answer_in_time_is_not_asked_for_the_next_result(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(bare)
    monkeypatch.setattr(stores, "_patience", lambda _: 0.5)
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        trickle(request, 0.1)

    with serving(answer) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        store = Store(bare)
        for _ in range(3):
            track(store, bare, {})
    assert len(asked) == 1
    assert capsys.readouterr().err.count("it did not finish within") == 3


def test_a_server_that_is_silent_is_given_up(told: Record) -> None:
    assert "timed out" in told(lambda _: time.sleep(3))


def redirected(request: BaseHTTPRequestHandler) -> None:
    endless(request, "/again")


@pytest.mark.parametrize("answer", [endless, redirected])
def test_an_answer_without_end_is_cut(
    told: Record, answer: Callable[[BaseHTTPRequestHandler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LONGEST", 1_000_000)
    assert "the answer is longer than 1000000 bytes" in told(answer)


EXPERIMENT = {"experiment_id": "7", "name": "toy", "lifecycle_stage": "active", "artifact_location": "x"}
NONSENSE = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"experiment": 5}',
    b'{"experiment": {"experiment_id": {}}}',
    json.dumps({"experiment": EXPERIMENT, "runs": 7}).encode(),
    json.dumps({"experiment": EXPERIMENT, "runs": [{}]}).encode(),
    json.dumps({"experiment": EXPERIMENT, "runs": [{"info": {"status": "WHAT"}}]}).encode(),
    json.dumps({"experiment": EXPERIMENT, "run": {}}).encode(),
    b"[" * 5000,
]


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_is_a_warning(told: Record, body: bytes) -> None:
    assert told(lambda request: send(request, body))


@pytest.mark.parametrize("status", [400, 401, 404, 418])
def test_what_a_server_says_cannot_steer_the_terminal_or_show_the_password(told: Record, status: int) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        sent = request.headers.get("Authorization")
        said = f"\x1b]0;mine\x07\x9b31m\u202e\x00 {sent} me:se/crét se%2Fcr%c3%a9t 'se/cr\\u00e9t' http://me:se%2Fcr%C3%A9t@h"
        send(request, json.dumps({"error_code": "\x1b[1m", "message": said}).encode(), status)

    assert "\\x1b]0;mine\\x07" in told(answer)


def lying(folder: Path) -> Callable[[BaseHTTPRequestHandler], None]:
    """A server that takes everything, and says that the artefacts belong in a folder of its client's machine."""
    info = {"run_id": "a" * 32, "experiment_id": "1", "status": "RUNNING", "start_time": 1, "lifecycle_stage": "active"}
    run = {"info": {**info, "run_uuid": "a" * 32, "artifact_uri": folder.as_uri()}, "data": {}}
    experiment = {"experiment_id": "1", "name": "mnist", "lifecycle_stage": "active"}
    model = {"info": {"model_id": "m-1", "experiment_id": "1", "name": "clean", "artifact_uri": folder.as_uri()}}

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("Content-Length") or 0))
        send(request, json.dumps({"experiment": experiment, "run": run, "runs": [], "model": model}).encode())

    return answer


@pytest.mark.parametrize("host", ["elsewhere", "localhost"])
def test_a_database_elsewhere_has_us_write_to_the_project_alone(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], host: str
) -> None:
    """SQLite stands in for PostgreSQL here: what differs is what our own code knows of it."""
    write_result(bare)
    database, outside = tmp_path / "far.db", tmp_path / "outside"
    (copy := tmp_path / "copy").mkdir()  # as in an experiment beside the work tree
    monkeypatch.chdir(copy)
    monkeypatch.setattr(addresses, "read", lambda _: Address(f"sqlite:///{database}", f"postgresql://{host}/db"))
    monkeypatch.setattr(addresses, "REMOTE", ("sqlite",))
    track(Store(bare), bare, {})
    assert len(list(bare.glob("mlruns/toy/*/artifacts/dvc.lock"))) == 1, "the work tree's, not the copy's"
    assert not list(copy.iterdir())
    with closing(sqlite3.connect(database)) as store, store:
        store.execute("UPDATE experiments SET artifact_location = ?", [outside.as_uri()])
    capfd.readouterr()
    track(Store(bare), write_result(bare, 0.5), {})
    told = capfd.readouterr().err
    assert outside.exists() == (host == "localhost") == ("it wants artefacts in a folder" not in told)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost"])
def test_a_server_elsewhere_cannot_have_us_write_to_our_own_folders(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], host: str
) -> None:
    write_result(bare)
    outside = tmp_path / "outside"
    with serving(lying(outside)) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("127.0.0.1", host))
        track(Store(bare), bare, {})
    told = capfd.readouterr().err
    if host == "localhost":
        assert (outside / "dvc.lock").is_file(), "as with a server that keeps no artefacts itself"
    else:
        assert f"it wants artefacts in a folder of this machine, {outside.as_uri()}, but is on another" in told
        assert not outside.exists()
