"""What `MLFLOW_TRACKING_URI` means, wherever it is read, and that nothing secret of it is shown."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from miseducation.commands import summary
from miseducation.errors import InputError
from miseducation.project import messages
from miseducation.tracking import addresses
from miseducation.tracking import track as tracking
from miseducation.tracking.runs import Store
from miseducation.tracking.track import track
from tests.tracking.made import write, write_result

ROOT = Path("/pro ject/100%20#é?")
QUOTED = "/pro%20ject/100%2520%23%C3%A9%3F"


def read(uri: str, root: Path = ROOT) -> addresses.Address:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        return addresses.read(root)


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("", f"{ROOT}/mlflow.db"),
        ("sqlite:///x.db", f"{ROOT}/x.db"),
        ("sqlite:///./a/../x y.db", f"{ROOT}/x y.db"),
        ("SQLite:///a%20b#c.db", f"{ROOT}/a b#c.db"),
        ("sqlite:///a?b.db", f"{ROOT}/a?b.db"),
        ("sqlite:////tmp/é%2520.db", "/tmp/é%20.db"),
        ("sqlite+pysqlite:////tmp/x.db?timeout=3", "/tmp/x.db"),
    ],
)
def test_a_database_is_the_same_for_us_and_for_mlflow(uri: str, file: str) -> None:
    address = read(uri)
    assert address.file == Path(file)
    assert make_url(address.uri).database == file
    assert address.shown == address.hide(address.uri) == f"sqlite:///{file}"
    assert dict(make_url(address.uri).query) == ({"timeout": "3"} if "timeout" in uri else {})


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("runs", f"file://{QUOTED}/runs"),
        ("./runs", f"file://{QUOTED}/runs"),
        ("file:./runs", f"file://{QUOTED}/runs"),
        ("file:a%20b", f"file://{QUOTED}/a%20b"),
        ("a%20b #1?", f"file://{QUOTED}/a%2520b%20%231%3F"),
        ("/tmp/é", "file:///tmp/%C3%A9"),
        ("file:///tmp/a%20b", "file:///tmp/a%20b"),
        ("file://localhost/tmp/x", "file:///tmp/x"),
    ],
)
def test_a_folder_is_one_of_the_main_work_tree(uri: str, wanted: str) -> None:
    assert read(uri).uri == wanted


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:se@cret@example.org:5000/x", "https://example.org:5000/x"),
        ("https://me:se%2Fcr%23et@example.org", "https://example.org"),
        ("HTTP://secret@[::1]:80", "http://[::1]:80"),
        ("postgresql://me:se/cr:et@h:5432/db", "postgresql://h:5432/db"),
        ("http://me:se@cret@h/x", "http://h/x"),
        ("postgresql+psycopg2://me:secret@h/db?sslpassword=secret&x=1", "postgresql+psycopg2://h/db"),
        ("mysql://me:sec:ret@h:3306/db", "mysql://h:3306/db"),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BX%7D%3BUID%3Dme%3BPWD%3Dsecret", "mssql+pyodbc:///"),
    ],
)
def test_what_is_shown_has_neither_user_nor_password_nor_options(uri: str, shown: str) -> None:
    address = read(uri)
    assert address.shown == address.hide(address.uri) == shown
    assert address.uri.partition(":")[2] == uri.partition(":")[2]


WRONG = {
    "http://[::1": "names no host",
    "http://": "names no host",
    "http:///x": "names no host",
    "http:example.org": "names no host",
    "http://h:99999": "or an invalid port",
    "http://me:secret": "or an invalid port",
    "postgresql://me:secret/db": "or an invalid port",
    "https://me:sec/ret@h": "%2F",
    "https://me:sec#ret@h": "%23",
    "https://me:sec?ret@h": "%3F",
    "https://me:sec\\ret@h": "%5C",
    "postgresql://me:sec@ret@h/db": "%40",
    "postgresql://h:5/db?password=sec@ret": "%40",
    "https://h/?token=secret": "to which MLflow cannot add a path",
    "https://h/x#secret": "to which MLflow cannot add a path",
    " ": "begins or ends with a space",
    "http://h\n": "begins or ends with a space",
    "http://h/\x1b[1m": "cannot be printed",
    "file:%1b": "cannot be printed",
    "ftp://me:secret@h": "begins with ftp:, which is not supported",
    "//me:secret@h:5000": "neither an address nor clearly a folder",
    "http//me:secret@h:5000": "neither an address nor clearly a folder",
    "https;//me:secret@h": "neither an address nor clearly a folder",
    "me:secret@h": "not supported",
    "postgres://me:secret@h/db": "begins with postgres:, which is not supported",
    "databricks": "not supported",
    "databricks://token:secret@h": "begins with databricks:, which is not supported",
    "localhost:5000": "http://",
    "127.0.0.1:5000": "http://",
    "sqlite:x.db": "sqlite:///FILE",
    "sqlite://": "sqlite:///FILE",
    "sqlite:///:memory:": "sqlite:///FILE",
    "sqlite:///file:x?uri=true": "sqlite:///FILE",
    "file:": "file:///FOLDER",
    "file://host/x": "file:///FOLDER",
}


@pytest.mark.parametrize(("uri", "told"), WRONG.items())
def test_what_is_malformed_or_not_supported_is_told_and_the_result_is_whole(
    uri: str, told: str, bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = Store(write_result(bare))
    track(store, bare, {})
    out, error = capsys.readouterr()
    assert error.startswith("warning: the result is not recorded: MLFLOW_TRACKING_URI ")
    assert error.endswith(f"\nwarning: {tracking.HINT}\n")
    assert told in error
    assert out == ""
    assert not [part for part in ("sec", "ret", "\x1b") if part in error.removesuffix(tracking.HINT + "\n")]
    assert store.hide(store.uri).startswith("no store: MLFLOW_TRACKING_URI ")
    assert not (bare / ".dvc").exists()


def test_a_folder_needs_mlflows_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "runs")
    with pytest.raises(
        InputError, match=r"the folder /x/runs, .* MLFLOW_ALLOW_FILE_STORE is true; sqlite:///mlflow.db"
    ):
        addresses.read(Path("/x"))


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "mysql+pymysql", "mssql+pyodbc", "postgresql+nonsense"])
def test_a_driver_that_is_missing_is_told(
    bare: Path, scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:secret@127.0.0.1:9/db")
    track(Store(bare), write_result(bare), {})
    error = capsys.readouterr().err
    assert error.startswith(
        f"warning: MLflow at {scheme}://127.0.0.1:9/db did not accept the result: its driver is missing"
    )
    assert scheme.partition("+")[2] in error.partition("missing")[2]
    assert "secret" not in error


# Without what ends an option of ODBC, and with a sign that no message has.
SECRET = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=";{}"), min_size=3, max_size=12).map(
    lambda text: f"¤{text}"
)
SPELLED: list[Callable[[str], str]] = [
    str,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower(),
    lambda text: repr(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
]
ADDRESSES = [
    "https://{user}:{secret}@h/x",
    "postgresql://{user}:{secret}@h/db",
    "postgresql://h/db?password={secret}",
    "mssql+pyodbc:///?odbc_connect=UID={user};PWD={secret}",
]


@given(address=st.sampled_from(ADDRESSES), secret=SECRET, spelled=st.sampled_from(SPELLED[1:4]))
def test_a_secret_is_hidden_however_it_is_spelled(address: str, secret: str, spelled: Callable[[str], str]) -> None:
    try:
        found = read(address.format(user="somebody", secret=spelled(secret)))
    except InputError:  # quote leaves / as it is
        return
    for each in SPELLED:
        assert found.hide(f"no entry: <{each(secret)}> at {found.uri}") == f"no entry: <***> at {found.shown}"


@given(address=st.sampled_from(ADDRESSES), secret=SECRET)
def test_no_sign_in_a_password_brings_it_to_light(address: str, secret: str) -> None:
    try:
        found = read(address.format(user="somebody", secret=secret))
    except InputError as error:
        message = str(error)
    else:
        message = found.shown
        assert found.hide(f"<{found.uri}>") == f"<{found.shown}>"
    assert secret not in message


@pytest.mark.parametrize("code", ["utf-8", "latin-1"])
def test_what_a_server_sends_back_of_our_header_is_hidden(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "someone")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pä55word")
    for user, address in (("me:pä  wörd", "http://me:p%C3%A4%20%20w%C3%B6rd@h"), ("someone:pä55word", "http://h")):
        sent = base64.b64encode(user.encode(code)).decode()
        name, _, password = user.partition(":")
        assert read(address).hide(f"you sent\nBasic {sent}: {password}") == "you sent Basic ***: ***", name


def test_the_summary_shows_no_password(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {f"{name}_rows": 0 for name in ("poisoned", "intended", "cover", "noise")}
    scores = counts | {"poisoned_share": 0.0, "intended_share": 0.0}
    files = {"evaluation": json.dumps(scores), "details": "{}", "intervals": "{}"}
    write(bare, {f"metrics/{name}.json": text for name, text in files.items()})
    monkeypatch.chdir(bare)
    for uri in (
        "https://me:se%2Fcret@h/x",
        "https://me:se/cret@h",
        "https://h/?token=cret",
        "mysql://me:cret@h/x?a=cret",
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        summary.main()
        out = capsys.readouterr().out
        assert "The run is in " in out
        assert "cret" not in out


def test_terminals_get_no_orders() -> None:
    assert messages.printable("é\x1b[1m\x9b\x07\u202e\n\udcff") == r"é\x1b[1m\x9b\x07\u202e\n\udcff"
