"""How long `registry audit` takes for a registry of many signed events that all stand in a ledger.

Each event is a tag signed with ed25519, and one commit of the ledger signed by a recorder. The command runs as its own
process, the first time with an empty cache (every signature is verified) and again (verdicts are remembered). Times are
of the whole process; beside them its processor time with that of git, which a busy machine stretches less.

    PYTHONPATH=. python benchmarks/audit.py --events 10000
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry.git.ledger import write
from registry.ledger import Entry
from registry.ledgerchain import chained, head_of, message_of
from registry.ledgertree import Tree, object_id

START = 1_700_000_000
STEP = 600
MODELS = 100
POLICY = """\
format: 1
version: 1
roles: {release: [dana@example.org]}
recorder: [bot@example.org]
stages:
  dev: {}
  prod: {assign: [release], signed: true, ledger: true}
"""


class Person:
    """Somebody with an ed25519 key."""

    def __init__(self, name: str) -> None:
        self.email = f"{name.lower()}@example.org"
        self.ident = f"{name} <{self.email}>"
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._blob = _strings(b"ssh-ed25519", raw)
        self.line = f'{self.email} namespaces="git" ssh-ed25519 {base64.b64encode(self._blob).decode()}\n'

    def sign(self, message: bytes) -> bytes:
        """An armored signature of the namespace git (PROTOCOL.sshsig)."""
        said = b"SSHSIG" + _strings(b"git", b"", b"sha512", hashlib.sha512(message).digest())
        made = _strings(b"ssh-ed25519", self._key.sign(said))
        whole = b"SSHSIG" + struct.pack(">I", 1) + _strings(self._blob, b"git", b"", b"sha512", made)
        text = base64.b64encode(whole).decode()
        lines = "".join(f"{text[at : at + 70]}\n" for at in range(0, len(text), 70))
        return f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n".encode()


def _strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def git(folder: Path, *args: str, data: bytes = b"") -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", *args], cwd=folder, env=env, input=data, capture_output=True, check=True
    ).stdout.decode()


def generate(folder: Path, count: int) -> None:
    """A registry of `count` events: each model is registered once, then assigned in turns."""
    dana, bot = Person("Dana"), Person("Bot")
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main", ".")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "allowed_signers").write_text(dana.line + bot.line)
    who = ("-c", "user.name=Dana", "-c", f"user.email={dana.email}")
    git(folder, "add", "--all")
    git(folder, *who, "commit", "--quiet", "-m", "Begin")
    commit = git(folder, "rev-parse", "HEAD").strip()
    objects: dict[str, tuple[str, bytes]] = {}
    refs = []
    tree, head, time_ = Tree("sha1"), None, START
    for number in range(count):
        time_ += STEP
        entry, body = _event(number, count, commit, time_, dana)
        oid = object_id("tag", body, "sha1")
        objects[oid] = ("tag", body)
        refs.append(f"create refs/tags/{entry.tag} {oid}\n")
        (made,) = chained([entry._replace(tag_oid=oid)], head, time_ + 5)
        tree.take(made)
        root, new = tree.write()
        message = message_of([made])
        parent = f"parent {head.commit}\n" if head else ""
        ident = f"{bot.ident} {time_ + 5} +0000"
        top = f"tree {root}\n{parent}author {ident}\ncommitter {ident}\n"
        signature = bot.sign(f"{top}\n{message}".encode()).decode().rstrip("\n").replace("\n", "\n ")
        data = f"{top}gpgsig {signature}\n\n{message}".encode()
        tip = object_id("commit", data, "sha1")
        objects |= {**new, tip: ("commit", data)}
        head = head_of(tip, message.encode())
    write(folder, objects, "sha1")
    if head:
        refs.append(f"create refs/heads/ledger {head.commit}\n")
    git(folder, "update-ref", "--stdin", data="".join(refs).encode())
    git(folder, "pack-refs", "--all")


def _event(number: int, count: int, commit: str, when: int, dana: Person) -> tuple[Entry, bytes]:
    models = min(MODELS, count)
    turn, name = number // models, f"m{number % models:03}"
    stage = "dev" if turn % 2 else "prod"
    ref = f"{name}#{stage}#{turn}" if turn else f"{name}@v1.0.0"
    said = f"Recording {ref}\n\nVersion: v1.0.0\nEvidence: {'e' * 64}\nPolicy: 1\nNonce: {number:016x}\n"
    body = f"object {commit}\ntype commit\ntag {ref}\ntagger {dana.ident} {when} +0000\n\n{said}".encode()
    kind = "assign" if turn else "register"
    entry = Entry(
        kind, dana.ident, name, "v1.0.0", stage if turn else None, ref, "0" * 40, commit, "a" * 64, "e" * 64,
        dana.email, policy_version=1,
    )  # fmt: skip
    return entry, body + dana.sign(body)


def measure(folder: Path, cache: Path, *args: str) -> tuple[float, float]:
    """Seconds of the whole process, and of the processor for it and its children."""
    env = {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "XDG_STATE_HOME": str(cache),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "registry-benchmark-bytecode"),
    }
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [sys.executable, "-m", "registry", *args]
    subprocess.run(line, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    end, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return end - start, used


COMMANDS = (("audit", "--format", "csv"), ("audit", "at", "2024-01-01"), ("report", "--since", "7d"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="A folder that the registry is made in and left.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder, cache = given.keep or Path(made) / "registry", Path(made) / "cache"
        if not (folder / ".git").exists():
            generate(folder, given.events)
        print("| command | time | of the processor |\n| --- | --- | --- |")
        measure(folder, Path(made) / "warm", *COMMANDS[0])  # an installed package is compiled, as it is after this
        took, used = measure(folder, cache, *COMMANDS[0])
        print(f"| registry {' '.join(COMMANDS[0])}, first time | {took:.2f} s | {used:.2f} s |")
        for command in COMMANDS:
            rounds = [measure(folder, cache, *command) for _ in range(given.rounds)]
            took, used = (sorted(each)[len(rounds) // 2] for each in zip(*rounds, strict=True))
            print(f"| registry {' '.join(command)}, again | {took:.2f} s | {used:.2f} s |")


if __name__ == "__main__":
    main()
