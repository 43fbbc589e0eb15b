"""`Lab`: real git repositories in a temporary folder, by a person called Dana, on a frozen clock that ticks.

Every process it starts sees only the lab: its home, its caches, its git configuration, and its clock. The clock moves
by `TICK` seconds with each commit, tag and command, for git and for Python alike, so histories are the same each time
and no two events share a second unless a test asks for it with `time=`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forking

ROOT = Path(__file__).resolve().parents[1]
START = 1_750_000_000
"""What the clock shows first, in seconds since 1970-01-01 UTC."""
TICK = 10
"""Seconds between two events."""
NAME, EMAIL = "Dana", "dana@example.org"

# Found by Python when it starts, before gto or the registry: dulwich, which gto uses, reads no GIT_COMMITTER_DATE.
CLOCK = """\
import os, time
if "LAB_CLOCK" in os.environ:
    time.time = lambda: float(os.environ["LAB_CLOCK"])
    time.time_ns = lambda: int(os.environ["LAB_CLOCK"]) * 10**9
"""


@dataclass(frozen=True)
class Ran:
    """A process that has ended."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.stdout)


def script(name: str) -> str:
    """The console script `name` of the environment the tests run in."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        raise AssertionError(f"{name} is not installed beside {sys.executable}: install the extra `test`")
    return str(found)


def tag_body(
    tag: str | bytes,
    target: str,
    kind: str = "commit",
    *,
    time: int | str = START,
    tagger: str | None = f"{NAME} <{EMAIL}>",
    message: str | bytes = "message\n",
) -> bytes:
    """The bytes of a tag object, for `Repo.raw_tag`; no `tagger` line where it is None."""
    head = f"object {target}\ntype {kind}\ntag ".encode() + (tag if isinstance(tag, bytes) else tag.encode()) + b"\n"
    if tagger is not None:
        head += f"tagger {tagger} {time} +0000\n".encode()
    return head + b"\n" + (message if isinstance(message, bytes) else message.encode())


class Lab:
    """A folder with repositories, a home, caches and a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = START
        self._lock = threading.Lock()
        self.home = root / "home"
        self.cache = root / "cache" / "registry"
        clock = root / "clock"
        for folder in (self.home, self.cache.parent, clock):
            folder.mkdir(parents=True)
        (clock / "sitecustomize.py").write_text(CLOCK)
        (self.home / ".gitconfig").write_text(
            f"[user]\n\tname = {NAME}\n\temail = {EMAIL}\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
            '[advice]\n\tdetachedHead = false\n[protocol "file"]\n\tallow = always\n'
        )
        self.env = {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.cache.parent),
            "REGISTRY_CACHE_DIR": str(self.cache),
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "PYTHONPATH": os.pathsep.join([str(clock), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "registry-tests-bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "TZ": "UTC",
        }

    def tick(self, seconds: int = TICK) -> int:
        """Move the clock and say what it shows; threads get different times."""
        with self._lock:
            self.now += seconds
            return self.now

    def environ(self, time: int | None = None) -> dict[str, str]:
        """The whole environment of a process in the lab at `time`, which is the clock's next tick by default."""
        now = self.tick() if time is None else time
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_", "REGISTRY_"))}
        dates = {"GIT_AUTHOR_DATE": f"@{now} +0000", "GIT_COMMITTER_DATE": f"@{now} +0000", "LAB_CLOCK": str(now)}
        return inherited | self.env | dates

    def run(
        self,
        *argv: str,
        cwd: Path | None = None,
        env: dict[str, str | None] | None = None,
        input: str | bytes = b"",  # noqa: A002 - as in subprocess
        check: bool = True,
        time: int | None = None,
        forks: bool = False,
    ) -> Ran:
        """Run a program to its end; `env` adds to the lab's environment, or removes where the value is None.

        With `forks`, scripts that `forking.shell` made may be among what it runs.
        """
        environment = {k: v for k, v in (self.environ(time) | (env or {})).items() if v is not None}
        files = [forking.server().fileno()] if forks and forking.HERE else []
        if files:
            environment["FORKING"] = str(*files)
        data = input if isinstance(input, bytes) else input.encode()
        if forking.can_run(argv) and not any(name.startswith("PYTHON") for name in env or ()):
            code, *said = forking.run(argv, cwd or self.root, environment, data)
        else:
            done = subprocess.run(
                argv,
                cwd=cwd or self.root,
                env=environment,
                input=data,
                capture_output=True,
                check=False,
                pass_fds=files,
            )
            code, *said = done.returncode, done.stdout, done.stderr
        out, err = (each.decode("utf-8", "surrogateescape") for each in said)
        if check and code != 0:
            raise AssertionError(f"{' '.join(argv)} ended with {code}\n{out}\n{err}")
        return Ran(argv, code, out, err)

    def registry(self, *args: str, **options: Any) -> Ran:
        """Run our command line; outside of any repository unless `cwd` is given."""
        return self.run(sys.executable, "-m", "registry", *args, **options)

    def gto(self, *args: str, **options: Any) -> Ran:
        """Run gto's own command line; outside of any repository unless `cwd` is given."""
        return self.run(script("gto"), *args, **options)

    def repo(self, name: str, *, bare: bool = False) -> Repo:
        """Make an empty repository."""
        path = self.root / name
        self.run("git", "init", "--quiet", *(["--bare"] if bare else []), str(path))
        return Repo(self, path)._identify()

    def clone(self, source: Repo | Path | str, name: str = "", *options: str) -> Repo:
        """Clone a repository, a path or a URL; `options` go to `git clone`."""
        origin = str(source.path) if isinstance(source, Repo) else str(source)
        path = self.root / (name or self._free(Path(origin.rstrip("/")).name.removesuffix(".git")))
        self.run("git", "clone", "--quiet", *options, "--", origin, str(path))
        return Repo(self, path)._identify()

    def _free(self, stem: str) -> str:
        return next(name for n in range(1, 10_000) if not (self.root / (name := f"{stem}-{n}")).exists())


class Repo:
    """One repository of a lab."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.lab = lab
        self.path = path

    @property
    def url(self) -> str:
        """Its `file://` URL."""
        return self.path.as_uri()

    @property
    def git_dir(self) -> Path:
        """Where its refs and objects are."""
        return self.path / ".git" if (self.path / ".git").is_dir() else self.path

    def git(self, *args: str, **options: Any) -> str:
        """Run git here; its output without the last newline."""
        return self.run("git", *args, **options).stdout.removesuffix("\n")

    def run(self, *argv: str, **options: Any) -> Ran:
        """Run any program here."""
        return self.lab.run(*argv, **{"cwd": self.path, **options})

    def registry(self, *args: str, **options: Any) -> Ran:
        """Run our command line here."""
        return self.lab.registry(*args, **{"cwd": self.path, **options})

    def gto(self, *args: str, **options: Any) -> Ran:
        """Run gto's own command line here."""
        return self.lab.gto(*args, **{"cwd": self.path, **options})

    def write(self, files: dict[str, bytes | str | None]) -> None:
        """Write files below the working copy; None deletes one."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(
        self, files: dict[str, bytes | str | None] | None = None, message: str = "commit", *, time: int | None = None
    ) -> str:
        """Write `files` and commit everything there is, nothing included; its object id."""
        if files:
            self.write(files)
            self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, time=time)
        return self.rev("HEAD")

    def rev(self, revision: str) -> str:
        """The object id a revision names."""
        return self.git("rev-parse", "--verify", "--end-of-options", revision)

    def tags(self) -> dict[str, str]:
        """Every tag's name and the id of its object."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/tags").splitlines()
        return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}

    def tag(
        self, name: str, target: str = "HEAD", message: str = "", *, time: int | None = None, tagger: str = ""
    ) -> str:
        """Make an annotated tag, by `tagger` (`Name <email>`) where told; the tag object's id."""
        who, _, email = tagger.rstrip(">").rpartition(" <")
        env = {"GIT_COMMITTER_NAME": who, "GIT_COMMITTER_EMAIL": email} if tagger else {}
        words = ("--annotate", "--cleanup=verbatim", "--message", message or f"tag {name}")
        self.git("tag", *words, "--end-of-options", name, target, time=time, env=env)
        return self.rev(f"refs/tags/{name}")

    def lightweight(self, name: str, target: str = "HEAD") -> str:
        """Point `refs/tags/<name>` at any object; the object's id."""
        oid = self.rev(target)
        self._point(f"refs/tags/{name}", oid)
        return oid

    def raw_tag(self, ref: str, body: bytes) -> str:
        """Store any bytes as a tag object and point `refs/tags/<ref>` at it; the object's id. See `tag_body`."""
        oid = self.git("hash-object", "-t", "tag", "-w", "--literally", "--stdin", input=body)
        self._point(f"refs/tags/{ref}", oid)
        return oid

    def bare_clone(self, name: str = "") -> Repo:
        """A bare copy with every ref, beside this one and named `<name>.git`, as a server holds it."""
        name = name or f"{self.path.name}.git"
        bare = self.lab.clone(self, name, "--bare", "--no-hardlinks")
        bare.git("fetch", "--quiet", "origin", "+refs/*:refs/*")
        bare.git("remote", "remove", "origin")
        return bare

    def clone(self, name: str = "", *options: str) -> Repo:
        """A clone of this repository, which is its `origin`."""
        return self.lab.clone(self, name, *options)

    def _identify(self) -> Repo:
        with (self.git_dir / "config").open("a") as config:
            config.write(f"[user]\n\tname = {NAME}\n\temail = {EMAIL}\n")
        return self

    def _point(self, ref: str, oid: str) -> None:
        if self.run("git", "update-ref", "--end-of-options", ref, oid, check=False).code == 0:
            return
        loose = self.git_dir / ref  # what git refuses to write, such as a bad name, may still have come from elsewhere
        try:
            loose.parent.mkdir(parents=True, exist_ok=True)
            loose.write_text(f"{oid}\n")
        except (OSError, ValueError):
            packed = self.git_dir / "packed-refs"
            lines = packed.read_bytes().splitlines(keepends=True) if packed.exists() else []
            head, rest = [x for x in lines if x.startswith(b"#")], [x for x in lines if not x.startswith(b"#")]
            line = f"{oid} {ref}\n".encode("utf-8", "surrogateescape")
            packed.write_bytes(b"".join([h.replace(b" sorted", b"") for h in head] + [*rest, line]))
