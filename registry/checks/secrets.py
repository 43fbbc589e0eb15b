"""`secrets`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.checks.files import FILE, LARGE
from registry.checks.listing import Listing
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import Refused
from registry.findings import ERROR, Finding

_KINDS: tuple[tuple[str, tuple[bytes, ...], bytes], ...] = (
    (
        "a password or token in a URL",
        (rb"://[^/\s\"']*@",),
        rb"(?i)\bhttps?://[^/\s\"']*@|\b[a-z][a-z0-9+.-]*://[^/\s:@\"']*:[^/\s@\"']+@",
    ),
    ("a token in a URL", (rb"\?", b"&"), rb"(?i)[?&][a-z_-]*(?:token|password|secret|api_?key)=[^&\s]"),
    (
        "a GitHub token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    ("a GitLab token", (b"glpat-",), rb"\bglpat-[A-Za-z0-9_-]{20}"),
    ("a Hugging Face token", (b"hf_",), rb"\bhf_[A-Za-z0-9]{30,}"),
    ("an AWS access key", (b"AKIA", b"ASIA"), rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a private key", (b"PRIVATE KEY",), rb"-----BEGIN [A-Z ]*PRIVATE KEY"),
)
"""What it is, what of which something stands in every such credential and is sooner found, and how it looks."""
_PATTERNS = [(kind, [re.compile(each) for each in hints], re.compile(pattern)) for kind, hints, pattern in _KINDS]


class Secrets:
    """A registry is read by many and forgets nothing. What is found is never printed."""

    id = "secrets"
    sentence = "No link, card or lineage carries a credential."
    severity = ERROR
    remedy = (
        "take it out and revoke it, since git keeps what was committed;"
        " git's credential helpers, tokens and SSH keys of each user are used"
    )

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each line that carries one."""
        if subject.file.kind != FILE:
            raise Unjudged(f"the link file is {subject.file.kind} and was not read")
        found = False
        for number, kind in credentials(subject.file.data):
            found = True
            yield subject.finding(self, f"the link carries {kind}")._replace(line=number)
        if not found and isinstance(subject.opened, Refused) and subject.opened.reason == self.id:
            yield subject.failure(self, subject.opened, "project")


class SecretsBeside:
    """The same, in what stands beside the links."""

    id = Secrets.id
    sentence = Secrets.sentence
    severity = ERROR
    remedy = Secrets.remedy

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding for each line of a card or of lineage that carries one."""
        for file in listing.texts:
            if file.kind == LARGE:
                message = f"not judged: {LARGE}, which is not read"
                yield Finding(self.id, self.severity, message, "make it smaller", path=file.path)
            for number, kind in credentials(file.data):
                yield Finding(
                    self.id, self.severity, f"the file carries {kind}", self.remedy, path=file.path, line=number
                )


def credentials(data: bytes) -> Iterator[tuple[int, str]]:
    """The lines that carry a credential, counted from 1, and of which kind it is."""
    likely = [each for each in _PATTERNS if any(hint.search(data) for hint in each[1])]
    seen = [(kind, pattern) for kind, _, pattern in likely if pattern.search(data)]  # none spans lines
    for number, line in enumerate(data.splitlines() if seen else (), 1):
        kind = next((kind for kind, pattern in seen if pattern.search(line)), None)
        if kind is not None:
            yield number, kind
