"""Downloads that end, whatever a server does: those that are too long or too slow are given up."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from requests import Response

CONNECT_SECONDS, READ_SECONDS = 5, 15
LEAST, WINDOW = 10_000, 60  # bytes per second, on average over so many seconds; an honest line may be slow
USUAL = 10  # times that speed, at which the largest file has to be there in the end: the next place may be better
REDIRECTS = 5
CHUNK = 2**16  # bytes
ALGORITHMS = {32: "md5", 64: "sha256"}  # by the number of hexadecimal digits


def download(address: str, checksums: Iterable[tuple[str, str]], largest: int) -> dict[str, bytes]:
    """Downloads files from an address that ends in a slash, each with its MD5 or SHA-256 checked.

    Args:
        address: Where the files lie. It may lead elsewhere, over HTTP: what comes is checked, wherever it comes from.
        checksums: The names of the files, each with its checksum.
        largest: Bytes that none of them exceeds.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    files = {}
    with TemporaryDirectory() as folder:
        for name, checksum in checksums:
            known = f"{ALGORITHMS[len(checksum)]}:{checksum}"
            path = pooch.retrieve(
                f"{address}{name}", known, name, folder, downloader=lambda url, path, _: save(url, Path(path), largest)
            )
            files[name] = Path(path).read_bytes()
    return files


def save(address: str, path: Path, largest: int) -> None:
    """Writes what is at an address to a file; an error says why not. `largest` is in bytes."""
    transfer, before = Transfer(address, path, largest), 0
    seconds = WINDOW + largest / (USUAL * LEAST)
    end = monotonic() + seconds
    transfer.start()
    try:
        while transfer.is_alive():
            transfer.join(WINDOW)
            if transfer.is_alive() and transfer.count - before < LEAST * WINDOW:
                raise TimeoutError(f"too slow: {transfer.count - before} bytes in {WINDOW} seconds")
            if transfer.is_alive() and monotonic() > end:
                raise TimeoutError(f"too slow: {transfer.count} bytes in {seconds:g} seconds")
            before = transfer.count
    finally:
        transfer.ended.set()
        transfer.join(1)  # it lets go of the file, if it can
    if transfer.error:
        raise transfer.error


class Transfer(Thread):
    """Gets a file, in a thread of its own: there are many places at which a server can keep its client waiting."""

    def __init__(self, address: str, path: Path, largest: int) -> None:
        super().__init__(daemon=True)
        self.address, self.path, self.largest = address, path, largest
        self.count, self.ended = 0, Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Keeps what goes wrong for the one who waits."""
        try:
            self._copy()
        except Exception as error:
            self.error = error

    def _copy(self) -> None:
        from tqdm import tqdm

        with _open(self.address) as response, self.path.open("wb") as file:
            name, total = self.address.rpartition("/")[2], response.raw.length_remaining
            with tqdm(total=total, desc=name, unit="B", unit_scale=True, disable=None) as bar:
                # As it comes over the line, so that what was packed to burst is not unpacked; a chunk when it is there.
                while not self.ended.is_set() and (chunk := response.raw.read1(CHUNK, decode_content=False)):
                    self.count += len(chunk)
                    if self.count > self.largest:
                        raise ValueError(f"is longer than expected: more than {self.largest} bytes")
                    file.write(chunk)
                    bar.update(len(chunk))


def _open(address: str) -> "Response":
    """The answer to a request, of which the content is still to come. What redirections say beside is not read."""
    import requests

    wanted = {"timeout": (CONNECT_SECONDS, READ_SECONDS), "stream": True}
    for _ in range(1 + REDIRECTS):
        with requests.Session() as session:
            request = session.prepare_request(requests.Request("GET", address, {"Accept-Encoding": "identity"}))
            proxies = session.merge_environment_settings(address, {}, True, None, None)
            # Not by the session, which reads all that comes with a redirection, followed or not.
            response = session.get_adapter(address).send(request, **proxies | wanted)
        if response.ok and not response.is_redirect:
            return response
        response.close()
        response.raise_for_status()
        address = urljoin(address, response.headers["Location"])
    raise ValueError(f"redirects more than {REDIRECTS} times")
