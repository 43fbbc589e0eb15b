"""Generate a registry repository of any size with `git fast-import`: the same bytes for the same arguments.

Each artifact has commits of its own that change its link file; every version stands on one of them. Assignments go to
dev, staging and prod, some versions are cancelled and some stages emptied again. The history is honest: tagger times
strictly increase in order of creation, so gto and the registry must answer alike. Refs are packed.

    python benchmarks/generate.py TARGET --tags 10000
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

START = 1_600_000_000
"""Time of the first commit, in seconds since 1970-01-01 UTC."""
STAGES = ("dev", "staging", "prod")
EVENTS = {"register": 42, "assign": 50, "unassign": 5, "deregister": 3}
"""What happens to an artifact, by weight."""
DANA = b"Dana <dana@example.org>"
LINK = """\
object_type: link
link_type: model
path: {name}.mlem
project: https://git.example.org/team/{name}
rev: {version}
params:
  commit: {commit}
  metafile.sha256: {metafile}
  artifact.data.sha256: {data}
"""


@dataclass
class Artifact:
    """What is known of an artifact while its history is being invented."""

    name: str
    number: int = 0
    """The last `#N` given out."""
    newest: tuple[int, int, int] = (0, 0, 0)
    commits: dict[str, int] = field(default_factory=dict)
    """Active versions, oldest first, and the marks of their commits."""
    stages: dict[str, list[str]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    """Standing assignments of each stage, the newest last."""


class History:
    """Invents one event after the other and writes them as a fast-import stream."""

    def __init__(self, artifacts: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.artifacts = [Artifact(f"a{number:03}") for number in range(artifacts)]
        self.time = START
        self.marks = 0

    def stream(self, tags: int) -> Iterator[bytes]:
        """Yield the stream: a first commit, each artifact's first version, then events at random."""
        yield self._commit("Make this a registry", {".mlem/config.yaml": "", "README.md": "# Models\n"})
        for number in range(tags):
            first = number < len(self.artifacts)
            artifact = self.artifacts[number] if first else self.random.choice(self.artifacts)
            self.time += self.random.randint(2, 600)
            yield from self._event(artifact, "register" if first else self._choose(artifact))
        yield b"done\n"

    def _choose(self, artifact: Artifact) -> str:
        kind = self.random.choices(list(EVENTS), list(EVENTS.values()))[0]
        if kind == "deregister" and len(artifact.commits) < 3:
            return "register"
        if kind == "unassign" and not any(artifact.stages.values()):
            return "assign"
        return kind

    def _event(self, artifact: Artifact, kind: str) -> Iterator[bytes]:
        if kind == "register":
            yield from self._register(artifact)
        elif kind == "deregister":
            version = self.random.choice(list(artifact.commits))
            yield self._tag(artifact, f"@{version}!", version)
            del artifact.commits[version]
            for stage, versions in artifact.stages.items():
                artifact.stages[stage] = [other for other in versions if other != version]
        elif kind == "assign":
            yield from self._assign(artifact)
        else:
            stage = self.random.choice([stage for stage, versions in artifact.stages.items() if versions])
            version = artifact.stages[stage][-1]
            yield self._tag(artifact, f"#{stage}!", version, numbered=True)
            artifact.stages[stage] = [other for other in artifact.stages[stage] if other != version]

    def _register(self, artifact: Artifact) -> Iterator[bytes]:
        major, minor, patch = artifact.newest
        bumps = [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
        artifact.newest = self.random.choices(bumps, [70, 25, 5])[0]
        version = "v{}.{}.{}".format(*artifact.newest)
        pins = {pin: hashlib.sha256(f"{artifact.name} {version} {pin}".encode()).hexdigest() for pin in "cmd"}
        link = LINK.format(
            name=artifact.name, version=version, commit=pins["c"][:40], metafile=pins["m"], data=pins["d"]
        )
        yield self._commit(f"Link {artifact.name} {version}", {f".mlem/links/{artifact.name}.mlem": link})
        artifact.commits[version] = self.marks
        yield self._tag(artifact, f"@{version}", version)

    def _assign(self, artifact: Artifact) -> Iterator[bytes]:
        stage = self.random.choices(STAGES, [5, 3, 2])[0]
        held = artifact.stages[stage][-1:]
        free = [version for version in list(artifact.commits)[-5:] if version not in held]
        if not free:
            yield from self._register(artifact)
            return
        version = self.random.choice(free)
        yield self._tag(artifact, f"#{stage}", version, numbered=True)
        artifact.stages[stage].append(version)

    def _tag(self, artifact: Artifact, what: str, version: str, *, numbered: bool = False) -> bytes:
        if numbered:
            artifact.number += 1
            what += f"#{artifact.number}"
        message = f"{artifact.name}{what} for {version}\n".encode()
        return b"tag %b\nfrom :%d\ntagger %b %d +0000\ndata %d\n%b\n" % (
            f"{artifact.name}{what}".encode(), artifact.commits[version], DANA, self.time, len(message), message,
        )  # fmt: skip

    def _commit(self, message: str, files: dict[str, str]) -> bytes:
        self.marks += 1
        text = message.encode()
        parts = [b"commit refs/heads/main\nmark :%d\ncommitter %b %d +0000\n" % (self.marks, DANA, self.time - 1)]
        parts.append(b"data %d\n%b\n" % (len(text), text))
        for path, content in files.items():
            parts.append(b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(content), content.encode()))
        return b"".join(parts)


def generate(target: Path, tags: int, artifacts: int = 100, seed: int = 0) -> Path:
    """Make the repository `target` with `tags` tags of `artifacts` artifacts, packed and checked out."""
    if target.exists():
        raise FileExistsError(f"{target} exists already")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(target), *words], check=True, env=environment)

    target.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "Dana")
    git("config", "user.email", "dana@example.org")
    importer = ["git", "-C", str(target), "fast-import", "--quiet", "--done"]
    with subprocess.Popen(importer, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        process.stdin.writelines(History(artifacts, seed).stream(tags))
    if process.returncode != 0:
        raise RuntimeError(f"git fast-import ended with {process.returncode}")
    git("pack-refs", "--all")
    git("reset", "--quiet", "--hard", "main")
    return target


def main() -> None:
    """Generate one repository."""
    parser = argparse.ArgumentParser(description="Generate a registry repository to measure with.")
    parser.add_argument("target", type=Path)
    parser.add_argument("--tags", type=int, default=10_000)
    parser.add_argument("--artifacts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generate(options.target, options.tags, options.artifacts, options.seed)


if __name__ == "__main__":
    main()
