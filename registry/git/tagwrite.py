"""Making tag objects, placing refs and pushing them. Hooks and signing are the user's own.

A tag object is made without a ref; the ref is placed after the remote accepted it, so that a rejected event leaves
nothing behind. Pushing is `registry.git.push`.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final, NamedTuple

from registry.errors import GitError, RegistryError
from registry.git.process import OFFLINE, failure, run
from registry.git.push import Pushed, push_refs
from registry.git.tagscan import patterns_of
from registry.names import in_tag
from registry.tags import LARGEST, BadTag, Event, parse_tag

Parse = Callable[[str, str, str, bytes, int], Event | BadTag]
"""Judges a tag by its name, id, type, bytes and the latest accepted time."""
NEAR = 60
"""How many seconds ahead of this machine's clock a tag may be dated to stand after the artifact's newest event."""
_IDENT = re.compile(r"(?P<who>[^<>\n]+<[^<>\n]*>) (?P<time>\d+) (?P<zone>[+-]\d{4})")


class Tagger(NamedTuple):
    """Who makes a tag, and when."""

    line: str
    """`Name <email> time zone`, as a tag object holds it."""
    env: dict[str, str]
    """The same for git itself."""


def tagger(path: str | PathLike[str], author: str | None, email: str | None, after: int) -> Tagger:
    """The identity git would use, with the time moved to one second after `after` where the clock does not show more.

    gto orders by the tagger's clock alone: two events of one second would be read in another order than they were made.
    A time that the user set with `GIT_COMMITTER_DATE` stays as it is.
    """
    env = {}
    if author is not None:
        env["GIT_COMMITTER_NAME"] = author
    if email is not None:
        env["GIT_COMMITTER_EMAIL"] = email
    line = run(path, ["var", "GIT_COMMITTER_IDENT"], env=env).out.decode("utf-8", "replace").strip()
    match = _IDENT.fullmatch(line)
    if match is None:
        raise RegistryError(f"git's committer identity is unusable: {line!r}", fix="set user.name and user.email")
    now = int(match["time"])
    if now <= after <= now + NEAR and "GIT_COMMITTER_DATE" not in os.environ:
        env["GIT_COMMITTER_DATE"] = f"@{after + 1} {match['zone']}"
        line = f"{match['who']} {after + 1} {match['zone']}"
    return Tagger(line, env)


def make(
    path: str | PathLike[str],
    name: str,
    commit: str,
    message: str,
    who: Tagger,
    newest: int,
    *,
    sign: bool | None = None,
    parse: Parse = parse_tag,
) -> Event:
    """Write a tag object without a ref and read it back with `parse`; `sign`, else the user's settings, says whether
    to sign it.
    """
    try:
        text = message.encode()
    except UnicodeEncodeError:
        raise RegistryError("the message is not UTF-8", name, "write it in UTF-8") from None
    if _signs(path) if sign is None else sign:
        return _make_signed(path, name, commit, text, who, partial(_read, newest=newest, parse=parse))
    body = f"object {commit}\ntype commit\ntag {name}\ntagger {who.line}\n\n".encode() + text
    oid = run(path, ["mktag"], stdin=body).out.decode().strip()
    return _read(name, oid, body, newest, parse)


def _signs(path: str | PathLike[str]) -> bool:
    """Whether the user has tags signed: `tag.gpgSign`, or `tag.forceSignAnnotated` (git-config(1))."""
    line = ["config", "--type=bool", "--get-regexp", r"^tag\.(gpgsign|forcesignannotated)$"]
    said = dict(text.split() for text in run(path, line, accept=(0, 1)).out.decode().splitlines())
    return "true" in said.values()


def _make_signed(
    path: str | PathLike[str],
    name: str,
    commit: str,
    text: bytes,
    who: Tagger,
    read: Callable[[str, str, bytes], Event],
) -> Event:
    """Let `git tag` sign. It always makes a ref: here in a folder of its own, where nobody reads it.

    Git 2.39 ends well where an SSH key is missing, and leaves the tag unsigned: that is a failure here.
    """
    out = run(path, ["rev-parse", "--path-format=absolute", "--git-common-dir", "--git-path", "objects"]).out
    common, objects = out.decode("utf-8", "surrogateescape").splitlines()
    with tempfile.TemporaryDirectory(prefix="registry-sign-", dir=common) as folder:
        aside = Path(folder)
        for part in ("refs", "objects"):
            (aside / part).mkdir()
        (aside / "HEAD").write_text("ref: refs/heads/none\n")
        (aside / "config").write_text(_FORMATS[len(commit)])
        env = {**who.env, "GIT_DIR": folder, "GIT_WORK_TREE": folder, "GIT_OBJECT_DIRECTORY": objects}
        line = ["-c", f"include.path={common}/config", "tag", "-s", "--cleanup=verbatim", "-F", "-"]
        try:
            done = run(path, [*line, "--end-of-options", name, commit], stdin=text, env=env)
        except GitError as error:
            raise _keyless(error) from None
        oid = (aside / "refs" / "tags" / name).read_text().strip()
    event = read(name, oid, run(path, ["cat-file", "tag", oid]).out)
    if event.message.encode() == text:
        raise _keyless(failure(path, line, done))
    return event


def _keyless(error: GitError) -> GitError:
    error.fix = error.fix or (
        "name the key that signs, such as `git config --global gpg.format ssh` and"
        " `git config --global user.signingKey ~/.ssh/id_ed25519.pub`; or use --no-sign"
    )
    return error


_FORMATS = {
    40: "[core]\n\trepositoryFormatVersion = 0\n",
    64: "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tobjectFormat = sha256\n",
}
"""Settings of a bare repository whose object ids have so many hex digits."""


def _read(name: str, oid: str, body: bytes, newest: int, parse: Parse) -> Event:
    if len(body) > LARGEST:
        raise RegistryError(f"a tag of {len(body)} bytes, at most {LARGEST} are read", name, "write a shorter message")
    event = parse(name, oid, "tag", body, newest)
    if isinstance(event, BadTag):
        raise RegistryError(f"the tag would not be read back: {event.detail}", name, "check the clock and the identity")
    return event


def rehearse(path: str | PathLike[str], events: list[Event]) -> None:
    """Ask git, and the user's reference-transaction hook, whether these refs may be made here, and make none.

    Nothing is pushed that this clone would not take.
    """
    lines = "".join(f"create refs/tags/{event.ref} {event.oid}\n" for event in events)
    run(path, ["update-ref", "--stdin"], stdin=f"start\n{lines}prepare\nabort\n".encode(), hooks=True)


def place(path: str | PathLike[str], events: list[Event]) -> None:
    """Create the refs of tags that the remote has accepted; a fetch may have brought them in the meantime."""
    for event in events:
        ref = f"refs/tags/{event.ref}"
        try:
            run(path, ["update-ref", ref, event.oid, "0" * len(event.oid)], hooks=True)
        except GitError as error:
            found = run(path, ["rev-parse", "--verify", "--quiet", "--end-of-options", ref], accept=(0, 1)).out
            if found.decode().strip() != event.oid:
                error.what = f"the remote took {event.ref}, but this clone did not: {error.what}"
                error.fix = f"git fetch origin 'refs/tags/{event.ref}:refs/tags/{event.ref}'"
                raise


def create(path: str | PathLike[str], events: list[Event]) -> None:
    """Create the refs of new tags, all or none; fails where one exists."""
    lines = "".join(f"create refs/tags/{event.ref}\0{event.oid}\0" for event in events)
    run(path, ["update-ref", "-z", "--stdin"], stdin=lines.encode(), hooks=True)


def push(
    path: str | PathLike[str], remote: str, events: Sequence[Event], needs: Sequence[Event], protocols: str
) -> dict[str, Pushed]:
    """Push tag objects to refs of their own names at the remote, several atomically; nothing is forced.

    What `events` stand on goes along; a tag that is there already is left as it is. Raises `GitError` where the remote
    said nothing of the refs (network, credentials, a hook that stopped it).
    """
    refs = {f"refs/tags/{event.ref}": event.oid for event in (*needs, *events)}
    answered = [f"refs/tags/{event.ref}" for event in events]
    said = push_refs(path, remote, refs, protocols, answered=answered)
    return {ref.removeprefix("refs/tags/"): each for ref, each in said.items()}


def fetch_tags(path: str | PathLike[str], remote: str, artifacts: Sequence[str], protocols: str) -> dict[str, str]:
    """Make this clone's tags of artifacts equal to the remote's where the remote has them; others stay.

    Returns the tags that stood here with another object, by name, with that object's id. Objects are not checked, as
    our own parser judges tags: one bad date would make the whole fetch fail.
    """
    before = tags_of(path, artifacts)
    flags = ["--no-tags", "--no-prune", "--quiet", "--no-write-fetch-head"]
    line = [*UNCHECKED, "fetch", *flags, "--end-of-options", remote, *tag_specs(artifacts)]
    run(path, line, protocols=protocols, hooks=True)
    return gave_way(before, tags_of(path, artifacts))


UNCHECKED: Final = ("-c", "fetch.fsckObjects=false")
"""Settings of a fetch whose objects are judged here."""


def tag_specs(artifacts: Sequence[str]) -> list[str]:
    """What a fetch is told to bring all tags of artifacts."""
    names = [f"refs/tags/{in_tag(name)}{mark}*" for name in artifacts for mark in "@#"]
    return [f"+{name}:{name}" for name in names]


def tags_of(path: str | PathLike[str], artifacts: Sequence[str]) -> dict[str, str]:
    """Object ids of the tags of artifacts that are here, by name."""
    patterns = [pattern for name in artifacts for pattern in patterns_of(name)]
    out = run(path, ["for-each-ref", "--format=%(refname) %(objectname)", *patterns], protocols=OFFLINE).out
    return dict(line.removeprefix("refs/tags/").split(" ") for line in out.decode("utf-8", "replace").splitlines())


def gave_way(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Tags that stood with another object than now, with that object's id."""
    return {ref: oid for ref, oid in before.items() if after.get(ref) != oid}


def fetch_new(path: str | PathLike[str], remote: str, prefix: str, protocols: str) -> None:
    """Bring the remote's tags of a prefix that are not here; one that is here stays, whatever the remote calls so."""
    spec = f"refs/tags/{prefix}*:refs/tags/{prefix}*"
    flags = ["--no-tags", "--no-prune", "--quiet", "--no-write-fetch-head"]
    line = [*UNCHECKED, "fetch", *flags, "--end-of-options", remote, spec]
    run(path, line, protocols=protocols, hooks=True, accept=(0, 1))  # 1: a tag stays as it is


__all__ = [
    "GitError",
    "Pushed",
    "Tagger",
    "create",
    "fetch_new",
    "fetch_tags",
    "gave_way",
    "make",
    "place",
    "push",
    "rehearse",
    "tag_specs",
    "tagger",
    "tags_of",
]
