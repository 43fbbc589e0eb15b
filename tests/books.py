"""A registry with books: events signed by people with keys of their own, and a ledger that a recorder signs."""

from __future__ import annotations

import signing_keys as keys
from lab import START, Lab, Repo, tag_body

from registry.git import ledger as branch
from registry.git.ledger import LOCAL
from registry.git.tagwrite import Tagger
from registry.ledger import Entry, digest, format_entry
from registry.ledgerchain import Head, chained
from registry.tags import TagName, parse_name

HOUR = 3_600
POLICY = """\
format: 1
version: 1
roles: {release: [eve@example.org]}
recorder: [bot@example.org]
stages:
  staging: {}
  prod: {assign: [release], signed: true, ledger: true}
"""
KINDS = {"registration": "register", "deregistration": "deregister", "assignment": "assign", "unassignment": "unassign"}


def signers(**options: str) -> str:
    """The signers' file; `options` has further ones of a person's key."""
    people = ("dana", "eve", "mallory", "bot")
    return "".join(
        f'{who}@example.org namespaces="git"{options.get(who, "")} {keys.key("ed25519", who).public}\n'
        for who in people
    )


class Books:
    """The registry, hour by hour: `at(3)` is three hours after its beginning."""

    def __init__(self, lab: Lab, policy: str | None = POLICY, allowed: str | None = None) -> None:
        self.repo = Repo(lab, lab.repo("reg").path)
        self.repo.git("config", "gpg.format", "ssh")
        files = {"policy.yaml": policy, "allowed_signers": signers() if allowed is None else allowed}
        self.repo.commit({"README.md": "models\n", **files})
        self.head: Head | None = None

    @staticmethod
    def at(hours: float) -> int:
        return START + int(hours * HOUR)

    def event(
        self, ref: str, hours: float, who: str = "eve", *, key: str | None = "", message: str = "Version: v1.0.0\n"
    ) -> str:
        """A tag by a person, signed with their key, with another's, or (`key` none) not at all; its object's id."""
        text = f"A {ref}\n\n{message}"
        person = f"{who.title()} <{who}@example.org>"
        body = tag_body(ref, self.repo.rev("HEAD"), tagger=person, message=text, time=self.at(hours))
        signature = b"" if key is None else keys.key("ed25519", key or who).sign(body)
        return self.repo.raw_tag(ref, body + signature)

    def entry(self, ref: str, oid: str, who: str = "eve", version: str = "v1.0.0", **more: object) -> Entry:
        """What is recorded of it."""
        said = parse_name(ref)
        assert isinstance(said, TagName)
        made = Entry(
            KINDS[said.kind], f"{who.title()} <{who}@example.org>", said.artifact, said.version or version, said.stage,
            ref, oid, self.repo.rev("HEAD"), principal=f"{who}@example.org", policy_version=1,
        )  # fmt: skip
        return made._replace(**more)

    def record(self, hours: float, *entries: Entry, by: str | None = "bot") -> None:
        """Append a group, signed by somebody or by nobody."""
        made = chained(entries, self.head, self.at(hours))
        tree = branch.next_tree(self.repo.path, self.head, made)
        self.repo.git("config", "user.signingKey", str(keys.key("ed25519", by or "bot").private))
        name = by or "bot"
        who = Tagger(f"{name.title()} <{name}@example.org> {self.at(hours)} +0000", {})
        commit = branch.commit(self.repo.path, self.head, tree, made, who, sign=by is not None)
        self.head = Head(commit, made[-1].sequence, made[-1].time, digest(format_entry(made[-1])))
        self.repo.git("update-ref", LOCAL, commit)

    def recorded(self, ref: str, hours: float, who: str = "eve", *, later: float = 0.5, **more: object) -> str:
        """An event and its entry half an hour later."""
        oid = self.event(ref, hours, who)
        self.record(hours + later, self.entry(ref, oid, who, **more))
        return oid
