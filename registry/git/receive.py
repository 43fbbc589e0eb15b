"""A repository that receives pushes: its default branch, and its hook `pre-receive` (githooks(5)).

A hook that was there before is kept beside ours and runs first, on the same input.
"""

from __future__ import annotations

import shlex
import sys
from os import PathLike
from pathlib import Path

from registry.errors import RegistryError
from registry.git.process import run

NAME = "pre-receive"
KEPT = "pre-receive.before-registry"
MARK = "# Written by `registry server-hook install`."
_HOOK = """\
#!/bin/sh
{mark} A push is judged before any of it counts; a hook that was here before runs first.
pushed=$(cat)
before="$(dirname "$0")/{kept}"
if [ -x "$before" ]; then printf '%s\\n' "$pushed" | "$before" || exit 1; fi
printf '%s\\n' "$pushed" | {python} -m registry server-hook run
"""


def default_branch(path: str | PathLike[str]) -> str:
    """The full name of the branch that HEAD names; empty where it names none."""
    return run(path, ["symbolic-ref", "--quiet", "HEAD"], accept=(0, 1)).out.decode("utf-8", "replace").strip()


def _hook(path: str | PathLike[str]) -> Path:
    """Where the hook stands. Raises `RegistryError` where git runs hooks of a folder that others share."""
    line = ["rev-parse", "--path-format=absolute", "--git-common-dir", "--git-path", "hooks"]
    common, hooks = run(path, line, hooks=True).out.decode("utf-8", "surrogateescape").splitlines()
    if not Path(hooks).resolve().is_relative_to(Path(common).resolve()):
        fix = f"let your own hook there run `{_python()} -m registry server-hook run` on its input"
        raise RegistryError("core.hooksPath names a folder outside of this repository", hooks, fix)
    return Path(hooks) / NAME


def _python() -> str:
    return shlex.quote(sys.executable)


def install(path: str | PathLike[str]) -> Path:
    """Write the hook, or write it anew; one of somebody else is kept. Raises `RegistryError`."""
    hook = _hook(path)
    try:
        hook.parent.mkdir(exist_ok=True)
        if hook.exists() and MARK not in hook.read_text(encoding="utf-8", errors="replace"):
            kept = hook.with_name(KEPT)
            if kept.exists():
                fix = "put the two hooks that are there together into one, then repeat"
                raise RegistryError(f"there are a {NAME} and a {KEPT} already", str(hook.parent), fix)
            hook.rename(kept)
        hook.write_text(_HOOK.format(mark=MARK, kept=KEPT, python=_python()), encoding="utf-8")
        hook.chmod(0o755)
    except OSError as error:
        raise RegistryError(f"the hook cannot be written: {error.strerror}", str(hook), "see who owns it") from None
    return hook


def uninstall(path: str | PathLike[str]) -> Path | None:
    """Remove the hook, and put back the one that was there before; where it stood, none where it was not ours."""
    hook = _hook(path)
    try:
        if not hook.exists() or MARK not in hook.read_text(encoding="utf-8", errors="replace"):
            return None
        hook.unlink()
        kept = hook.with_name(KEPT)
        if kept.exists():
            kept.rename(hook)
    except OSError as error:
        raise RegistryError(f"the hook cannot be removed: {error.strerror}", str(hook), "see who owns it") from None
    return hook
