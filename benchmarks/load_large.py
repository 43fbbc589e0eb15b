"""Cold loads: out of a long history, and of one large artifact from HTTP, from S3 and from git."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from git_http import serve
from load_stand import MB, Line, Stand, clear, files_served, git, write_random

import registry

HASHED = 'curl --silent --fail "$1" | openssl dgst -sha256'
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
BUCKET = "models"


def first(stand: Stand, megabytes: int) -> list[Line]:
    """Bytes of the first load of a 1 MB model whose repository has a long history."""
    source = stand.repository("source")
    make_history(source, megabytes)
    save_megabyte(source)
    stand.commit(source, "v1")
    history = sum(path.stat().st_size for path in (source / ".git" / "objects").rglob("*") if path.is_file())
    size = sum((source / name).stat().st_size for name in ("lr", "lr.mlem"))
    lines = []
    for filters in (True, False):
        with serve(stand.served, filters=filters) as server:
            clear(stand.served / "registry")
            stand.linked("registry", "lr", f"{server.url}/source")
            server.requests.clear()
            took = stand.cold(f"{server.url}/registry")
            sent = sum(each.sent for each in server.requests if "/source/" in each.path)
            told = sum(each.sent for each in server.requests) - sent
        said = f"first load, {history / MB:,.0f} MB of history, server with{'' if filters else 'out'} filters"
        cells = (f"{sent:,} bytes", f"{size:,} bytes (model, metafile)", f"{sent / size:.3f}x; registry {told:,} bytes")
        raw = {"sent": sent, "size": size, "history": history, "registry": told, **took}
        lines.append(Line("first", said, *cells, "at most 1.1x", sent <= 1.1 * size, raw))
    return lines


def make_history(folder: Path, megabytes: int) -> None:
    """Commits of one megabyte each that cannot be compressed."""
    line = ["git", "-C", str(folder), "-c", "core.compression=0", "fast-import", "--quiet"]
    with subprocess.Popen(line, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(megabytes):
            process.stdin.write(b"commit refs/heads/main\ncommitter Dana <dana@example.org> %d +0000\n" % number)
            process.stdin.write(b"data 1\nx\nM 100644 inline weights\ndata %d\n" % MB + os.urandom(MB) + b"\n")
    if process.returncode:
        raise SystemExit("git fast-import failed")
    git(folder, "reset", "--quiet", "--hard", "main")


def save_megabyte(folder: Path) -> None:
    """A model of 1 MB that cannot be compressed."""
    import numpy as np
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression()
    fitted.coef_, fitted.intercept_ = np.random.default_rng(7).random(MB // 8), 0.0
    fitted.n_features_in_ = MB // 8
    registry.save(fitted, folder / "lr")


def save_large(folder: Path, uri: str, size: int, md5: str) -> None:
    """The metafile of a plain file that lies elsewhere, or in the same repository."""
    external = "" if uri == "large" else "    type: fsspec\n"
    (folder / "large.mlem").write_text(
        f"artifacts:\n  data:\n    hash: {md5}\n    size: {size}\n{external}    uri: {uri}\nobject_type: model\n"
        "processors:\n  model:\n    io:\n      type: file\n    methods: {}\n    type: file\n"
    )


def url(stand: Stand, size: int, repeat: int) -> list[Line]:
    """A large artifact behind a plain HTTP server."""
    folder = stand.work / "files"
    folder.mkdir()
    md5, _ = write_random(folder / "large", size)
    with files_served(folder) as web:
        return stored("url", "HTTP", stand, (f"{web}/large", size, md5), lambda: f"{web}/large", repeat)


def s3(stand: Stand, size: int, repeat: int) -> list[Line]:
    """The same in a bucket of moto's server."""
    path = stand.work / "large"
    md5, _ = write_random(path, size)
    with moto() as filesystem:
        filesystem.put_file(str(path), f"{BUCKET}/large", chunksize=64 << 20)
        path.unlink()
        signed = lambda: filesystem.url(f"{BUCKET}/large", expires=3600)  # noqa: E731
        return stored("s3", "S3 (moto)", stand, (f"s3://{BUCKET}/large", size, md5), signed, repeat)


def stored(
    part: str, said: str, stand: Stand, file: tuple[str, int, str], address: Callable[[], str], repeat: int
) -> list[Line]:
    """Cold loads and `curl | openssl` of the same file in turns."""
    source = stand.repository("source")
    save_large(source, *file)
    stand.commit(source, "v1")
    reg = stand.linked("registry", "large", str(source))
    clear(Path(os.environ["REGISTRY_CACHE_DIR"]))
    plain, ours = [], []
    for _ in range(repeat):
        plain.append(hashed(address()))
        ours.append(stand.cold(str(reg)))
    seconds, size = statistics.median(each["seconds"] for each in ours), file[1]
    base, peak = statistics.median(plain), max(each["peak"] for each in ours)
    rates = [f"{size / each / MB:,.0f} MB/s" for each in (seconds, base)]
    best = min(plain) / min(each["seconds"] for each in ours)
    raw = {"ours": ours, "curl": plain, "size": size}
    result = f"{base / seconds:.0%} (best of each: {best:.0%})"
    figure = f"{size / 1e9:g} GB over {said}, cold, vs `curl \\| openssl dgst -sha256`"
    return [
        Line(part, figure, *rates, result, "at least 80 %", base / seconds >= 0.8, raw),
        Line(
            part,
            "peak memory of it",
            f"{peak / MB:.0f} MB",
            "-",
            f"{peak / MB:.0f} MB",
            "below 100 MB",
            peak < 100 * MB,
        ),
    ]


def hashed(address: str) -> float:
    """Seconds of `curl | openssl dgst -sha256`."""
    began = time.perf_counter()
    subprocess.run(["sh", "-c", HASHED, "sh", address], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextlib.contextmanager
def moto() -> Iterator[object]:
    """S3 of moto's server in a process of its own, with a bucket; the filesystem that reaches it."""
    import s3fs

    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", MOTO], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        where = f"http://127.0.0.1:{int(process.stdout.readline())}"
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "some", "AWS_SECRET_ACCESS_KEY": "thing", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": where,
        }  # fmt: skip
        filesystem = s3fs.S3FileSystem(endpoint_url=where)
        filesystem.mkdir(BUCKET)
        yield filesystem
    finally:
        process.stdin.close()
        process.wait()


def blob(stand: Stand, size: int, repeat: int) -> list[Line]:
    """The same as an ordinary file of a git repository, over HTTP."""
    source = stand.repository("source")
    git(source, "config", "core.compression", "0")
    md5, _ = write_random(source / "large", size)
    save_large(source, "large", size, md5)
    stand.commit(source, "v1")
    (source / "large").unlink()
    with serve(stand.served) as server:
        stand.linked("registry", "large", f"{server.url}/source")
        clear(Path(os.environ["REGISTRY_CACHE_DIR"]))
        ours = [stand.cold(f"{server.url}/registry") for _ in range(repeat)]
    seconds, peak, own = (max(each[key] for each in ours) for key in ("seconds", "tree", "peak"))
    figure = f"{size / 1e9:g} GB as a git blob over HTTP, cold: peak memory with all git processes"
    cells = (f"{peak / MB:.0f} MB", "-", f"{peak / MB:.0f} MB ({own / MB:.0f} MB its own); {seconds:.0f} s")
    shutil.rmtree(source)
    return [Line("blob", figure, *cells, "below 200 MB", peak < 200 * MB if peak else None, {"ours": ours})]
