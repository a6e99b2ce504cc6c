"""Where results are recorded: what `MLFLOW_TRACKING_URI` means, as MLflow takes it and as it may be shown."""

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from miseducation.errors import InputError
from miseducation.project.messages import printable

VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT = "sqlite:///mlflow.db"
WEB, DATABASES = ("http", "https"), ("postgresql", "mysql", "mssql")
REMOTE = (*WEB, *DATABASES)
ALLOWED = "an http:// or https:// server, sqlite:///FILE, a folder, or a postgresql://, mysql:// or mssql:// database"
_PARTS = re.compile(r"([^/?#]*)([^?#]*)(.*)")  # host, path, options
ESCAPES = "in user names, passwords and options / ? # @ \\ are written %2F %3F %23 %40 %5C"


@dataclass(frozen=True)
class Address:
    """The address of a store.

    Attributes:
        uri: As MLflow takes it: absolute and quoted. It may hold passwords.
        shown: As it may be shown, without user, password and options.
        file: The database, if it is SQLite's.
        secrets: What must not be shown, as it stands in the address or the environment.
    """

    uri: str
    shown: str
    file: Path | None = None
    secrets: tuple[str, ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine, or there is none."""
        here = r"(localhost|127(\.\d+){3}|\[::1\])?(:\d+)?(/|$)"
        return self.file is not None or bool(re.match(rf"[\w+]+://{here}", self.shown))

    def hide(self, text: str) -> str:
        """The text in one line, without what is secret in the address, however spelled, or steers a terminal."""
        secrets = [_pattern(spelled) for secret in self.secrets for spelled in _spellings(secret)] or ["(?!)"]
        secret = "|".join(sorted(secrets, key=len, reverse=True))
        # With the sign behind it, a user goes without a trace.
        whole = f"({'|'.join(map(re.escape, _spellings(self.uri)))})|(?:{secret})(@?)"
        hidden = re.sub(whole, lambda found: self._instead(*found.groups()), text, flags=re.IGNORECASE)
        return printable(re.sub(r"[ \t]*[\r\n]\s*", " ", hidden.strip()))

    def _instead(self, uri: str | None, sign: str | None) -> str:
        return self.shown if uri else "" if sign else "***"


def _pattern(word: str) -> str:
    # What is shorter than four letters would be found within words that tell nothing.
    return re.escape(word) if len(word) > 3 else rf"(?<!\w){re.escape(word)}(?!\w)"


def read(root: Path) -> Address:
    """The store of a project: `MLFLOW_TRACKING_URI`, else `mlflow.db` in its root. Relative paths mean the root's.

    Raises:
        InputError: If the address is malformed, or of a kind that is not supported. The message holds no secret.
    """
    given = os.environ.get(VARIABLE) or DEFAULT
    if given != given.strip() or not given.isprintable():
        raise InputError(f"{VARIABLE} begins or ends with a space, or contains a character that cannot be printed")
    scheme, colon, rest = given.partition(":")
    if not colon or not re.fullmatch(r"[\w+.-]+", scheme):
        if (
            "//" in given or "@" in given
        ):  # with a mistake at its beginning it may hold a password, and looks like a folder
            raise InputError(
                f"{VARIABLE} is neither an address nor clearly a folder, as it contains // or @; allowed: {ALLOWED}; "
                "a folder with such a name is written as file:///FOLDER"
            )
        scheme, rest = "", given
    scheme = scheme.lower()
    if scheme.split("+")[0] in REMOTE:
        return _remote(scheme, rest)
    if scheme in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(root, rest)
    if scheme == "file" or (not scheme and given not in ("databricks", "databricks-uc", "uc")):
        return _folder(root, rest, scheme)
    kind = f"begins with {scheme}:, which" if rest.startswith("//") else "is of a kind that"
    raise InputError(f"{VARIABLE} {kind} is not supported; allowed: {ALLOWED}")


def _sqlite(root: Path, rest: str) -> Address:
    found = re.search(r"\?\w+=[^?]*$", rest)
    options = found[0] if found else ""
    name = unquote(rest.removeprefix("///").removesuffix(options))
    if not rest.startswith("///") or not name or name.startswith((":memory:", "file:")):
        raise InputError(f"{VARIABLE} does not name an SQLite file; write sqlite:///FILE")
    path = _place(root, name)
    quoted = str(path).replace("%", "%25").replace("?", "%3F") + options
    # MLflow makes the folders of what begins with sqlite:///, and takes the escapes for their names.
    scheme = "sqlite+pysqlite" if "%" in quoted else "sqlite"
    return Address(f"{scheme}:///{quoted}", f"sqlite:///{path}", path, _secrets(options))


def _folder(root: Path, rest: str, scheme: str) -> Address:
    host, name = "", rest
    if scheme and rest.startswith("//"):
        host, _, name = rest[2:].partition("/")
        name = f"/{name}"
    name = unquote(name) if scheme else name
    if host not in ("", "localhost") or not name:
        raise InputError(f"{VARIABLE} does not name a folder on this machine; write file:///FOLDER")
    path = _place(root, name)
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("true", "1"):
        raise InputError(
            f"{VARIABLE} names the folder {path}, to which MLflow writes only if "
            f"MLFLOW_ALLOW_FILE_STORE is true; {DEFAULT} works without it"
        )
    return Address(path.as_uri(), path.as_uri())


def _place(root: Path, name: str) -> Path:
    if not name.isprintable():
        raise InputError(f"{VARIABLE} names a file with a character that cannot be printed")
    return Path(os.path.normpath(root / name))


def _remote(scheme: str, rest: str) -> Address:
    web = scheme in WEB
    # As the libraries have it: the password of a database may hold a slash, that of a server an @.
    user = re.match(r"//(?:([^/?#\\]*)@)?" if web else r"//(?:([^:/?#\\@]*(?::[^?#\\@]*)?)@)?", rest)
    authority = user[1] or "" if user else ""
    host, path, options = _PARTS.findall(rest[user.end() if user else 2 :])[0]
    if "@" in host + path + options or "\\" in rest:
        raise InputError(f"{VARIABLE} is ambiguous: {ESCAPES}")
    parts = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*)(?::(\d{1,5}))?", host)
    if not rest.startswith("//") or parts is None or int(parts[2] or 0) > 65535 or (web and not parts[1]):
        raise InputError(f"{VARIABLE} names no host, or an invalid port; write {scheme}://HOST:PORT; {ESCAPES}")
    if web and (options or " " in path):
        raise InputError(f"{VARIABLE} has a space, ? or # after the host, to which MLflow cannot add a path; {ESCAPES}")
    name, _, password = authority.partition(":")
    secrets = _secrets(options, authority, name, password)
    return Address(f"{scheme}:{rest}", f"{scheme}://{host}{path}", secrets=secrets)


def _secrets(options: str, *parts: str) -> tuple[str, ...]:
    values = [part.partition("=")[2] for part in options[1:].split("&")]
    # Drivers of ODBC have options within an option.
    tails = [value[found.end() :] for value in map(unquote_plus, values) for found in re.finditer("=", value)]
    within = tails + [re.split("[;{}]", tail.lstrip("{"))[0] for tail in tails]
    name, password, token = (
        os.environ.get(f"MLFLOW_TRACKING_{each}", "") for each in ("USERNAME", "PASSWORD", "TOKEN")
    )
    other, both = [password, token], [*map(unquote, parts[:1]), f"{name}:{password}"]
    codes = ("utf-8", "latin-1")  # a server may send back what it got
    sent = [base64.b64encode(user.encode(code, "ignore")).decode() for user in both for code in codes if user != ":"]
    return tuple({options, *parts, *values, *within, *sent, *other} - {""})


def _spellings(secret: str) -> set[str]:
    """A secret as libraries and servers write it: escaped, not escaped, and as Python and JSON quote it."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    safe = {quote(each, safe=signs) for each in plain for signs in ("", "/", ":@/", "!$&'()*+,;=:@/")}
    every = plain | safe | {quote_plus(each) for each in plain}
    return every | {repr(each)[1:-1] for each in every} | {json.dumps(each)[1:-1] for each in every}
