"""How long `registry check` takes on many links over many sources on a local HTTP server.

The models are small files that are never loaded; each link pins a commit of its own. With --certified each has its
birth certificate, else the policy turns `lineage-complete` off. Warm means: in the cache already, with what was
remembered of sound links and without; a change of one link is always judged. Compile first, since Python writes no
bytecode where PYTHONDONTWRITEBYTECODE is set:

    python -m compileall -q registry
    PYTHONPATH=. python benchmarks/check.py FOLDER --links 1000 --sources 50
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "examples/demo")]

from registry.api.modelreading import read_model
from registry.git.source import Source
from registry.lineage import dump
from registry.provenance import collect
from registry.urls import Address

METAFILE = """\
artifacts: {{data: {{uri: m, size: {size}, hash: {md5}}}}}
call_orders: {{predict: [[model, predict]]}}
object_type: model
processors:
  model:
    methods: {{predict: {{name: predict, args: [], returns: {{type: unspecified}}}}}}
    type: sklearn
    io: {{type: skops}}
requirements:
- {{module: numpy, version: 1.26.4}}
"""
LINK = """\
link_type: model
object_type: link
params:
  artifact.data.blob: {blob}
  artifact.data.sha256: {sha256}
  commit: {commit}
  metafile.blob: {metablob}
  metafile.sha256: {metasha256}
path: m.mlem
project: {url}
rev: {rev}
"""
POLICY = "format: 1\nversion: 1\nchecks: {lineage-complete: off}\n"
ANEW = "check, warm cache without its verdicts"
DANA = "Dana <dana@example.org>"


def git(folder: Path, *args: str, text: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", str(folder), *args], input=text, check=True, capture_output=True).stdout


def file(name: str, data: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data)


def commit(ref: str, mark: int, number: int, files: dict[str, bytes]) -> bytes:
    head = f"commit {ref}\nmark :{mark}\ncommitter {DANA} {1_600_000_000 + number} +0000\ndata 1\nx\n".encode()
    return head + b"".join(file(name, data) for name, data in files.items()) + b"\n"


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def make_source(folder: Path, links: int) -> list[dict[str, str]]:
    """A bare source with a commit and a tag for each link; what its links pin."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    stream, pins = b"", []
    for number in range(1, links + 1):
        data = f"{folder.name} {number}\n".encode() * 200
        meta = METAFILE.format(size=len(data), md5=hashlib.md5(data, usedforsecurity=False).hexdigest()).encode()
        stream += commit("refs/heads/main", number, number, {"m": data, "m.mlem": meta})
        stream += f"tag v{number}\nfrom :{number}\ntagger {DANA} {1_600_000_000 + number} +0000\ndata 1\nx\n".encode()
        pins.append(
            {
                "blob": blob_id(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "metablob": blob_id(meta),
                "metasha256": hashlib.sha256(meta).hexdigest(),
                "rev": f"v{number}",
            }
        )
    git(folder, "fast-import", "--quiet", text=stream)
    for pin in pins:
        pin["commit"] = git(folder, "rev-parse", f"{pin['rev']}^{{commit}}").decode().strip()
    return pins


def make(root: Path, links: int, sources: int, url: str, *, certified: bool) -> Path:
    """Sources below `root/served` and the registry beside it: `main`, and `change`, which alters one link."""
    texts: dict[str, bytes] = {}
    certificates = {} if certified else {"policy.yaml": POLICY.encode()}
    for number in range(sources):
        folder, said = root / "served" / f"s{number}.git", f"{url}/s{number}.git"
        source = Source(Address(str(folder), local=True))
        for pin in make_source(folder, links // sources):
            name = f"a{len(texts):04}"
            texts[f".mlem/links/{name}.mlem"] = LINK.format(url=said, **pin).encode()
            if certified:
                model = read_model(source, pin["commit"], "m.mlem")
                certificate = collect(source, pin["commit"], model, project=said, revision=pin["rev"])
                certificates[f".mlem/lineage/{name}.json"] = dump(certificate).encode()
    registry = root / "registry"
    registry.mkdir()
    git(registry, "init", "--quiet", "--initial-branch=main")
    first = next(iter(texts))
    stream = commit("refs/heads/main", 1, 1, {".mlem/config.yaml": b"", **texts, **certificates})
    stream += commit("refs/heads/change", 2, 2, {first: texts[first] + b"\n"}).replace(b"x\n", b"x\nfrom :1\n", 1)
    git(registry, "fast-import", "--quiet", text=stream)
    git(registry, "reset", "--quiet", "--hard", "main")
    return registry


class Took(NamedTuple):
    """One `registry check`."""

    seconds: float
    cpu: float
    """CPU seconds of it, of its git processes and of the server's."""
    peak: int
    """Peak memory in MB of any process so far."""


def timed(registry: Path, cache: Path, *options: str) -> Took:
    """Run one `registry check`, which must find nothing."""
    line = [sys.executable, "-m", "registry", "check", "-r", str(registry), "--quiet", *options]
    env = {**os.environ, "REGISTRY_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or "no findings" not in done.stdout:
        raise SystemExit(done.stdout[:2000] + done.stderr[:2000])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(took, cpu, after.ru_maxrss // 1024)


def main() -> None:
    from git_http import serve

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="an empty or new folder")
    parser.add_argument("--links", type=int, default=1000)
    parser.add_argument("--sources", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--certified", action="store_true", help="with birth certificates")
    given = parser.parse_args()
    with serve(given.folder) as server:
        registry = make(given.folder, given.links, given.sources, f"{server.url}/served", certified=given.certified)
        cache = given.folder / "cache"
        begun = time.perf_counter()
        for number in range(given.sources):
            plain = given.folder / "plain" / str(number)
            plain.mkdir(parents=True)
            git(plain, "init", "--quiet", "--bare")
            git(plain, "fetch", "--quiet", f"{server.url}/served/s{number}.git", "+refs/*:refs/*")
        fetched = time.perf_counter() - begun
        cold = timed(registry, cache)
        warm = [timed(registry, cache) for _ in range(given.repeat)]
        anew = []
        for _ in range(given.repeat):
            shutil.rmtree(cache / "verdicts")
            anew.append(timed(registry, cache))
        one = [timed(registry, cache, "--base", "main", "--head", "change") for _ in range(given.repeat)]
        print(f"{given.links} links over {given.sources} sources, local HTTP; best of {given.repeat}\n")
        print("| | seconds | of the plain fetch | CPU seconds | peak MB |\n| --- | --- | --- | --- | --- |")
        print(f"| git fetch of the sources, one after another | {fetched:.2f} | 1.00 | | |")
        for name, times in (
            ("check, cold cache", [cold]),
            ("check, warm cache", warm),
            (ANEW, anew),
            ("check, one link", one),
        ):
            best, cpu, peak = (min(each.seconds for each in times), min(each.cpu for each in times), times[-1].peak)
            print(f"| {name} | {best:.2f} | {best / fetched:.2f} | {cpu:.2f} | {peak} |")


if __name__ == "__main__":
    main()
