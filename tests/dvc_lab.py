"""Repositories that real DVC made, and remotes for them: a folder, HTTP, S3 of moto's server."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab import Lab, Repo
from linked import saved

QUIET = {"LAB_CLOCK": None, "DVC_NO_ANALYTICS": "1", "CI": "1", "DVC_TEST": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
PIPELINE = """\
stages:
  train:
    cmd: cp lr trained
    wdir: ..
    deps: [lr]
    outs: [trained]
artifacts:
  churn: {path: ../trained, type: model}
"""
MADE = """\
stages:
  prepare:
    cmd: sort data/raw.csv > data/clean.csv
    deps: [data/raw.csv, prepare.py]
    outs: [data/clean.csv]
  train:
    cmd: cp base/lr lr
    deps: [data/clean.csv, base/lr, train.py]
    params: [train.alpha, train.layers]
    outs:
    - lr: {cache: false}
  evaluate:
    cmd: cp base/metrics.json metrics.json
    deps: [lr]
    metrics:
    - metrics.json: {cache: false}
"""
DECLARED = """\
delta: {sales: {uri: s3://lake/sales, version: 12}}
feast: {customer: {view: customer_features}}
sql: {orders: {uri: "postgresql://me:secret@dwh/shop", snapshot: 2024-05-01}}
container: registry.example.org/train@sha256:%s
mlflow: {tracking_uri: "https://mlflow.example.org"}
""" % ("a" * 64)
ARTIFACTS = """\
artifacts:
  held: {path: lr, type: model}
  bare: {path: folder/notes.txt, type: dataset}
"""
_RUN = """\
import json, sys
from dvc.cli import main
for words in json.loads(sys.argv[1]):
    assert main(words) == 0, words
"""
_MOTO = """\
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
import boto3
url = "http://%s:%d" % server.get_host_and_port()
boto3.client("s3", endpoint_url=url).create_bucket(Bucket="models")
print(url, flush=True)
sys.stdin.read()
"""


def dvc(repo: Repo, *commands: str, env: dict[str, str | None] | None = None) -> None:
    """Run commands of the real DVC here, all in one process: it takes a second to start."""
    import json

    words = [command.split(" ") for command in commands]
    site = {"DVC_SITE_CACHE_DIR": str(repo.lab.root / "site")}
    repo.run(sys.executable, "-c", _RUN, json.dumps(words), env=QUIET | site | (env or {}))


@functools.cache
def make_tracked(root: Path) -> Path:
    """A folder with `tracked`, a repository with models whose bytes DVC tracks, and `store`, where they were pushed.

    `lr` is tracked by a file, `folder/lr` in a folder, `trained` by a stage; `typed` is `lr` as MLEM's own DVC storage
    writes it. Made once for all tests of a run.
    """
    lab = Lab(root / "tracked-by-dvc")
    repo = lab.repo("tracked")
    files = saved()
    meta = files["lr.mlem"].decode()
    assert "uri: lr\n" in meta
    repo.write(
        {
            **files,
            "folder/lr": files["lr"],
            "folder/notes.txt": "notes\n",
            "inside.mlem": meta.replace("uri: lr\n", "uri: folder/lr\n"),
            "trained.mlem": meta.replace("uri: lr\n", "uri: trained\n"),
            "typed.mlem": meta.replace("uri: lr\n", "uri: lr\n    type: dvc\n"),
            "pipeline/dvc.yaml": PIPELINE,
            "dvc.yaml": ARTIFACTS,
        }
    )
    dvc(repo, "init -q", "add -q lr folder", "repro -q pipeline/dvc.yaml", "remote add -q -d store ../store", "push -q")
    repo.git("add", "--all")
    repo.commit(message="tracked by DVC")
    repo.tag("v1")
    repo.git(
        "clean", "--quiet", "-dfX"
    )  # a copy has what a clone has: no test finds the bytes anywhere but in the store
    assert set(repo.git("ls-files").split()) >= {"lr.dvc", "folder.dvc", "pipeline/dvc.lock", ".dvc/config"}
    assert not {"lr", "trained", "folder/lr"} & set(repo.git("ls-files").split())
    return lab.root


@functools.cache
def make_pipeline(root: Path) -> Path:
    """A folder with `pipeline`: data that DVC tracks, prepared, a model trained from it and evaluated, in real stages.

    The model `lr` and its metrics are in git, the data is not. Made once for all tests of a run.
    """
    lab = Lab(root / "made-by-a-pipeline")
    repo = lab.repo("pipeline")
    files = saved()
    repo.write(
        {
            "base/lr": files["lr"],
            "base/metrics.json": '{"r2": 0.91, "by": {"north": 0.9}}\n',
            "lr.mlem": files["lr.mlem"],
            "data/raw.csv": "x,y\n1,2\n",
            "prepare.py": "# prepares\n",
            "train.py": "# trains\n",
            "params.yaml": "train: {alpha: 0.5, layers: [1, 2]}\nseed: 7\n",
            "requirements.txt": "numpy==1.26.4\nPandas == 2.1.0  # by hand\nrequests>=2\n",
            "lineage.yaml": DECLARED,
            "dvc.yaml": MADE,
        }
    )
    dvc(repo, "init -q", "add -q data/raw.csv", "repro -q")
    repo.git("add", "--all")
    repo.commit(message="trained")
    repo.tag("v1")
    repo.git("clean", "--quiet", "-dfX")
    assert not {"data/raw.csv", "data/clean.csv"} & set(repo.git("ls-files").split())
    return lab.root / "pipeline"


def copied(template: Path, lab: Lab) -> Repo:
    """The repository in a lab of its own, with its remote beside it."""
    for name in ("tracked", "store"):
        shutil.copytree(template / name, lab.root / name, symlinks=True)
    return Repo(lab, lab.root / "tracked")


def point(repo: Repo, text: str, *, tag: str = "v2") -> None:
    """Commit another configuration of the default remote."""
    repo.commit({".dvc/config": f"[core]\n    remote = store\n['remote \"store\"']\n    {text}\n"})
    repo.tag(tag)


def stored(repo: Repo, md5: str) -> Path:
    """Where the folder's remote keeps an object."""
    return repo.lab.root / "store" / "files" / "md5" / md5[:2] / md5[2:]


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """S3 of moto's server with a bucket `models`, in a process of its own that ends with the block."""
    import os

    running = subprocess.Popen(
        [sys.executable, "-c", _MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | KEYS,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with running:
        assert running.stdout is not None
        assert running.stdin is not None
        yield running.stdout.readline().strip()
        running.stdin.close()


class Files(ThreadingHTTPServer):
    """Serves a folder over HTTP, ranges included; the first `cuts` answers break off in the middle."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.cuts, self.ranges, self.asked = root, 0, list[str](), list[str]()
        self.redirect = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        path = self.server.root / self.path.lstrip("/")
        self.server.asked.append(self.path)
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        data, wanted = path.read_bytes(), self.headers.get("Range")
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted:
            self.server.ranges.append(wanted)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        rest = data[begin:]
        if self.server.cuts:
            self.server.cuts -= 1
            rest = rest[: len(rest) // 2]
            self.close_connection = True
        self.wfile.write(rest)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served_files(root: Path) -> Iterator[Files]:
    """Serve a folder over HTTP while the block runs."""
    with Files(root) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
