"""How large the cache is, whether it is whole, and what is taken out of it when it is too large.

What was used longest ago goes first: files of models, copies of source repositories, what was computed of signatures
and ledgers. Never taken is what a process uses now (its lock is held) and what was used within the last minute;
registries' own copies stay, since they are small and are what answers offline. Everything can be fetched again.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from registry import cache
from registry.cache.files import LOCK, PART, STAMP, AlteredFile, beside, sha256_of, verified
from registry.errors import RegistryError

LIMIT = "REGISTRY_CACHE_LIMIT"
"""Environment variable: the size above which files are taken out after a download, such as `20 GB`."""
IN_USE_S = 60.0
ABANDONED_S = 86400.0
"""Seconds after which what came of an unfinished download is taken out."""
FILES, SOURCES, GRAPHS, REGISTRIES, MODELS = "sha256", "sources", "graphs", "registries", "models"
SIGNATURES, LEDGERS, RESIDENTS = "signatures", "ledgers-read", "residents"
GATES, VERDICTS = "gates", "verdicts"
REMEMBERED = (SIGNATURES, LEDGERS, RESIDENTS, GATES, VERDICTS)
"""Folders of what was computed: a file each, which is found out anew where it is missing."""
KINDS = (FILES, SOURCES, GRAPHS, REGISTRIES, MODELS, *REMEMBERED)
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))? ?(kB|MB|GB|TB|)", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}")

Step = Callable[[int, int, str], None]
"""Told how far the work is: done, total, name."""


@dataclass(frozen=True)
class Item:
    """Something that may be taken out."""

    path: Path
    kind: str
    size: int
    """Bytes on disk, with what stands beside it."""
    used: float
    """When it was last used, in seconds since 1970."""
    lock: Path


@dataclass(frozen=True)
class Info:
    """What the cache holds."""

    path: Path
    bytes: dict[str, int]
    """Bytes on disk by kind: `sha256` (files of models), `sources`, `graphs`, `registries`, `models` (laid out), and
    what was computed: `signatures`, `ledgers-read`, `residents`, `gates`, `verdicts`.
    """
    files: int
    """How many files of models are kept."""
    unfinished: int
    """How many downloads were begun and not ended."""
    limit: int | None

    @property
    def total(self) -> int:
        """Bytes of everything."""
        return sum(self.bytes.values())


def parse_size(text: str) -> int:
    """Bytes of a size such as `500 MB` or `1.5 GB` (powers of ten). Raises `RegistryError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise RegistryError(f"not a size: {text[:80]!r}", fix="write bytes, or such as 500 MB or 20 GB")
    unit = _UNITS[match[3].lower()]
    return int(match[1]) * unit + int((match[2] or "0").ljust(3, "0")) * unit // 1000


def limit() -> int | None:
    """The size that the environment names. Raises `RegistryError`."""
    text = os.environ.get(LIMIT, "")
    try:
        return parse_size(text) if text else None
    except RegistryError as error:
        error.where = error.where or f"the environment variable {LIMIT}"
        raise


def info() -> Info:
    """What the cache holds now."""
    root = cache.root()
    found = list(_kept_files())
    return Info(
        root,
        {kind: _bytes_below(root / kind) for kind in KINDS},
        len(found),
        sum(1 for _ in (root / FILES).glob(f"*/*{PART}")),
        limit(),
    )


def verify(step: Step | None = None) -> tuple[int, list[Path]]:
    """Hash every kept file, whatever its stamp says; how many there are, and those that were thrown out."""
    paths, bad = list(_kept_files()), []
    for done, path in enumerate(paths, 1):
        if path.is_symlink() or not path.is_file() or sha256_of(path) != path.name:
            with cache.lock(beside(path, LOCK)), warnings.catch_warnings():
                warnings.simplefilter("ignore", AlteredFile)  # it is told by what is returned
                if verified(path, path.name, always=True) is None:
                    bad.append(path)
        if step is not None:
            step(done, len(paths), path.name[:12])
    return len(paths), bad


def prune(most: int, *, everything: bool = False) -> list[Item]:
    """Take out what was used longest ago until at most `most` bytes are left; what was taken.

    With `everything` registries' copies may go too, after the rest.
    """
    taken = list(_abandoned())
    left = info().total
    for item in sorted(_items(everything=everything), key=lambda each: (each.kind == REGISTRIES, each.used)):
        if left <= most:
            break
        if _taken(item):
            taken.append(item)
            left -= item.size
    return taken


def enforce() -> None:
    """Hold the cache to the limit that the environment names, if any."""
    most = limit()
    if most is not None:
        prune(most)


def _taken(item: Item) -> bool:
    """Take one thing out, unless somebody uses it."""
    if time.time() - item.used < IN_USE_S:
        return False
    with cache.lock_now(item.lock) as held:
        if not held:
            return False
        try:
            if item.kind in {FILES, *REMEMBERED}:
                item.path.unlink(missing_ok=True)
                beside(item.path, STAMP).unlink(missing_ok=True)
            else:
                away = item.path.with_name(f".{item.path.name}.{os.getpid()}")
                item.path.rename(away)
                shutil.rmtree(away, ignore_errors=True)
            item.lock.unlink(missing_ok=True)
        except OSError as error:
            raise cache.unwritable(item.path.parent, error) from None
    return True


def _items(*, everything: bool) -> Iterator[Item]:
    for path in _kept_files():
        size = _length(path) + _length(beside(path, STAMP))
        yield Item(path, FILES, size, _used(beside(path, STAMP), path), beside(path, LOCK))
    for kind in (SOURCES, GRAPHS, *((REGISTRIES,) if everything else ())):
        for path in _folders(cache.root() / kind):
            yield Item(path, kind, _bytes_below(path), _newest(path), path.with_suffix(".lock"))
    for path in _folders(cache.root() / MODELS):
        yield Item(path, MODELS, _bytes_below(path), _newest(path), path.with_name(f"{path.name}.lock"))
    for kind in REMEMBERED:
        for path in _files(cache.root() / kind):
            yield Item(path, kind, _length(path), _used(path), path.with_name(".lock"))


def _abandoned() -> Iterator[Item]:
    """Take out what is left of downloads that nobody went on with."""
    for part in (cache.root() / FILES).glob(f"*/*{PART}"):
        path = part.with_name(part.name.removesuffix(PART))
        item = Item(part, PART, _length(part), _used(part), beside(path, LOCK))
        if time.time() - item.used < ABANDONED_S:
            continue
        with cache.lock_now(item.lock) as held:
            if held:
                part.unlink(missing_ok=True)
                yield item


def _kept_files() -> Iterator[Path]:
    for folder in _folders(cache.root() / FILES):
        yield from sorted(path for path in folder.iterdir() if _DIGEST.fullmatch(path.name))


def _folders(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))


def _bytes_below(path: Path) -> int:
    return sum(_length(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _length(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _used(*paths: Path) -> float:
    """The time of the first of these that there is."""
    for path in paths:
        try:
            return path.lstat().st_mtime
        except OSError:
            continue
    return 0.0


def _newest(folder: Path) -> float:
    """When a repository's copy, or a folder of a model, was last written to."""
    return max((_used(Path(each)) for each, _, _ in os.walk(folder)), default=0.0)
