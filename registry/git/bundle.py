"""A repository, or a part of it, in one file: git-bundle(1)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from registry.git.ledger import LOCAL as BRANCH
from registry.git.mirror import HEAD, LEDGER
from registry.git.process import LOCAL, NETWORK, run
from registry.git.remote import ask
from registry.urls import Address


def write_bundle(address: Address, refs: Sequence[str], output: Path, *, ledger: bool = False) -> None:
    """Write the default branch of a repository and the tags of these patterns, with all that they need, into a file.

    With `ledger` its branch of that name too, where there is one.

    Raises `GitError` where the repository cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "whole.git")
        run(None, ["init", "--quiet", "--bare", "--end-of-options", str(bare)])
        url = f"file://{address.text}" if address.local else address.text
        specs = [f"+HEAD:{HEAD}", *(f"+{ref}:{ref}" for ref in refs)]
        specs += [f"+{BRANCH}*:{LEDGER}*"] if ledger else []  # an exact ref that is missing would fail the fetch
        line = ["fetch", "--no-tags", "--quiet", "--no-write-fetch-head", "--end-of-options", url, *specs]
        ask(bare, line, where=str(address), protocols=LOCAL if address.local else NETWORK)
        found = run(bare, ["for-each-ref", "--format=%(refname)"]).out.decode("utf-8", "surrogateescape").split("\n")
        kept = [ref for ref in found if ref and (not ref.startswith(LEDGER) or ref == LEDGER)]
        names = "\n".join(kept).encode("utf-8", "surrogateescape")
        run(bare, ["bundle", "create", "--quiet", str(output), "--stdin"], stdin=names)
