"""`consumers.yaml` in a registry's root: the repositories whose `registry.lock` says what they run. Pure.

    format: 1
    consumers:
      pricing: {url: https://github.com/mycompany/pricing}
      batch: {url: git@github.com:mycompany/batch.git, lock: jobs/registry.lock}

Read strictly: an unknown key or format, a lock that lies elsewhere than in the repository, a name that is no name and
more than `MOST` consumers are refused. Which URLs may be asked is for `registry.urls` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from registry import strictyaml
from registry.document import Place
from registry.errors import RegistryError

FILE = "consumers.yaml"
FORMAT = 1
LOCK = "registry.lock"
"""Where a consumer's lock file stands unless it is said."""
MOST = 1000
"""Most consumers of a registry."""
LONGEST = 2048
"""Longest URL or path, in characters."""

_FIX = "correct the file; `registry consumers add` writes it"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Consumer(NamedTuple):
    """A repository that uses models of this registry."""

    name: str
    url: str
    """As it is written: a URL, or a folder as seen from the registry's root."""
    lock: str = LOCK
    """Its lock file, from its own root."""


def require_name(name: str) -> str:
    """Return a consumer's name, else raise `RegistryError`."""
    if not _NAME.fullmatch(name):
        what = f"not a consumer's name: {name[:80]!r}"
        raise RegistryError(what, fix="write letters, digits, dots, dashes and underscores, at most 100; see --name")
    return name


def require_lock(path: str) -> str:
    """Return the path of a lock file inside its repository, else raise `RegistryError`."""
    parts = path.split("/")
    odd = not path or len(path) > LONGEST or not path.isprintable() or "\\" in path or path[:1] in {"-", ":"}
    if odd or any(part in {"", ".", "..", ".git"} for part in parts):
        raise RegistryError(
            f"not a path in a repository: {path[:80]!r}", fix="write it from the root, such as a/b.lock"
        )
    return path


def parse_consumers(data: bytes, where: str) -> tuple[Consumer, ...]:
    """Read the file. Raises `RegistryError` that names `where` and the line."""
    root = Place(strictyaml.parse(data, where), where, (), _FIX)
    root.rest(("format", "consumers"), strict=True)
    if root.need("format").integer() != FORMAT:
        root.need("format").fail(f"format {root.need('format').text()[:20]!r} is not known here; known is {FORMAT}")
    listed = root.find("consumers") or Place({}, where)
    if len(listed.mapping()) > MOST:
        listed.fail(f"{len(listed.mapping())} consumers, at most {MOST} are read")
    return tuple(_consumer(name, place) for name, place in listed.items())


def format_consumers(consumers: Iterable[Consumer]) -> str:
    """Write the file; `parse_consumers` reads the same back."""
    said = {each.name: {"url": each.url, **({"lock": each.lock} if each.lock != LOCK else {})} for each in consumers}
    return strictyaml.dump({"format": FORMAT, "consumers": said})


def _consumer(name: str, place: Place) -> Consumer:
    place.rest(("url", "lock"), strict=True)
    url, lock = place.need("url"), place.find("lock")
    if len(url.text()) > LONGEST or not url.text().isprintable():
        url.fail(f"expected a URL or a folder of at most {LONGEST} printable characters")
    try:
        return Consumer(require_name(name), url.text(), require_lock(lock.text()) if lock is not None else LOCK)
    except RegistryError as error:
        place.fail(error.what)
