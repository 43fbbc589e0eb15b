"""What the user's own git configuration says of a URL: credentials of its helpers, and `url.<base>.insteadOf`.

git-credential(1). Nothing is stored and nothing forgotten: that stays between the user and git.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from registry.errors import RegistryError
from registry.git.process import run


class Credential(NamedTuple):
    """A name and a secret for one host."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credential(…)"


def credential(url: str, where: str) -> Credential:
    """What git's credential helpers know for an http(s) URL. Raises `RegistryError` where they know nothing."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    asked = {"protocol": parts.scheme, "host": host, "path": parts.path.lstrip("/")}
    text = "".join(f"{key}={value}\n" for key, value in asked.items())
    done = run(None, ["credential", "fill"], stdin=f"{text}\n".encode(), accept=range(256))
    pairs = (line.partition("=") for line in done.out.decode("utf-8", "replace").splitlines())
    found = {key: value for key, _, value in pairs}
    if done.code or not found.get("password") or (found.get("host"), found.get("protocol")) != (host, parts.scheme):
        raise RegistryError(
            f"{host} asks for credentials, and git has none for it",
            where,
            "give git credentials for this host: a credential helper, or a token in it",
        )
    return Credential(found.get("username", ""), found["password"])


def rewritten(url: str) -> str:
    """The URL as the user's `url.<base>.insteadOf` settings have it."""
    return run(None, ["ls-remote", "--get-url", "--end-of-options", url]).out.decode("utf-8", "replace").strip()


def setting(text: bytes, key: str) -> str | None:
    """One value of a configuration file's text, read by git; none where it is not set or the text is none."""
    flags = ["config", "--file", "-", "--no-includes", "--null", "--get", key]
    done = run(None, flags, stdin=text, accept=range(256))
    return done.out.decode("utf-8", "replace").partition("\0")[0] or None if done.code == 0 else None
