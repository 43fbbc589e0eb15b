"""Asking `ssh-keygen`, for keys on a security token: whose signatures hold a counter and flags that it knows to read.

It is asked whether the signature is right for the key inside it (`-Y check-novalidate`); that this key is allowed, for
what and when, is judged here. No setting of a repository names the program.
"""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 - it runs ssh-keygen, no git
import tempfile
from pathlib import Path

TIMEOUT = 20.0
"""Seconds it may take."""
_KEPT = ("PATH", "SYSTEMROOT", "TMPDIR")


def checks(payload: bytes, armored: bytes, namespace: str) -> bool | None:
    """Whether the signature is right; none where there is no such program, or it does not end."""
    with tempfile.TemporaryDirectory(prefix="registry-signature-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(armored)
        line = ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(file)]
        env = {"LC_ALL": "C", **{key: os.environ[key] for key in _KEPT if key in os.environ}}
        try:
            done = subprocess.run(line, input=payload, capture_output=True, env=env, timeout=TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.returncode == 0
