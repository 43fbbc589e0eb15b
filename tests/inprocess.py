"""The command line in the test's own process: the same `main`, without the seconds that importing a framework takes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

from lab import Ran

from registry.cli import main


def registry_here(cwd: Path, *args: str, input: bytes = b"") -> Ran:  # noqa: A002 - as `Lab.run` names it
    """Run `registry ARGS` in `cwd` and give what a process would have given."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    before, stdin = Path.cwd(), sys.stdin
    try:
        os.chdir(cwd)
        sys.stdin = io.TextIOWrapper(io.BytesIO(input))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(args))
    finally:
        os.chdir(before)
        sys.stdin = stdin
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Ran(("registry", *args), code, *texts)
