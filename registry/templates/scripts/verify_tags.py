"""What verify-tags.yml runs: judge every tag that nobody has, record or reject it, tell what was rejected.

The recorder's private key comes in REGISTRY_RECORDER_KEY and lies in a file of its own while git signs with it; the
first `recorder` of policy.yaml is the name it signs in. Without a key entries are not signed. Ends with 1 where a tag
counts for nothing or one is an error.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from tell import append, tell

import registry
from registry.api.appending import Recorder
from registry.api.governing import current_policy
from registry.api.project import open_project
from registry.api.recorder import Settled, settle
from registry.notice import Notice
from registry.notifying.events import address_of
from registry.notifying.telling import notify
from registry.plural import plural
from registry.render.findings import as_text
from registry.render.github import fenced

KEY = "REGISTRY_RECORDER_KEY"
NOBODY = "github-actions[bot]"
MAIL = "41898282+github-actions[bot]@users.noreply.github.com"


@contextmanager
def signing() -> Iterator[bool]:
    """Have git sign with the key of the environment, where there is one; no process that is started sees it."""
    key = os.environ.pop(KEY, "").strip()
    if not key:
        yield False
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{key}\n")
        settings = {"gpg.format": "ssh", "user.signingKey": str(path)}
        first = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
        for number, (name, value) in enumerate(settings.items(), first):
            os.environ[f"GIT_CONFIG_KEY_{number}"] = name
            os.environ[f"GIT_CONFIG_VALUE_{number}"] = value
        os.environ["GIT_CONFIG_COUNT"] = str(first + len(settings))
        yield True


def main(issue: str, pushed: str = "") -> int:
    """Judge the tags of the present folder, a clone with all of them at the default branch's tip.

    `pushed` names the tag that the run is for, where there is one; `issue` is the file for the text of an issue.
    """
    project = open_project(".")
    try:
        names = current_policy(project).recorder
        with signing() as signs:
            who = (names[0].partition("@")[0], names[0]) if names else (NOBODY, MAIL)
            settled = settle(project, Recorder(push=True, sign=signs, author=who[0], author_email=who[1]), [pushed])
        told = {(each.id, each.ref) for each in settled.findings}
        findings = [*settled.findings, *(each for each in registry.doctor(".") if (each.id, each.ref) not in told)]
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    nothing = "no problems found"
    tell(findings, title="Tags", nothing=nothing)
    print(f"{plural(settled.entries, 'entry', 'entries')} recorded")
    Path(issue).write_text(fenced("Tags", as_text(settled.findings, nothing)[:60_000]), "utf-8", errors="replace")
    append("GITHUB_OUTPUT", f"findings={len(settled.findings)}")
    say(settled)
    return 1 if any(each.severity == "error" or (pushed and each.ref == pushed) for each in findings) else 0


def say(settled: Settled) -> None:
    """Tell the policy's channels of the tags that were rejected now; that nobody could be told is no failure."""
    address = address_of(open_project("."))
    notices = [
        Notice(
            id=each.event.oid,
            kind="rejected",
            model=each.event.artifact,
            time=datetime.fromtimestamp(each.event.time, timezone.utc).isoformat(timespec="seconds"),
            project=address,
            version=each.version,
            stage=each.event.stage,
            actor=each.event.tagger,
            actor_email=each.event.email,
            principal=each.principal,
            tag=each.event.ref,
            commit=each.event.commit,
            reasons=tuple(f"{reason.id}: {reason.message}" for reason in each.decision.reasons),
        )
        for each in settled.rejected
        if each.new
    ]
    try:
        done = notify(".", notices=notices) if notices else []
    except registry.RegistryError as error:
        print(f"warning: nobody was told: {error}", file=sys.stderr)
        return
    for each in done:
        print(f"{each.state}: {each.channel}: {each.notice.title()}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
