"""`init`: the files that make a git repository a registry, and its gate on GitHub. Written, never committed.

What is written are the package's templates as they are, but for two lines that differ from registry to registry: what
the workflows install, and who owns the gate. A file that exists is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from os import PathLike
from pathlib import Path

from registry.errors import RegistryError
from registry.git.process import run

CONFIG = ".mlem/config.yaml"
PACKAGE = ".github/requirements.txt"
"""What the workflows install, as pip reads it."""
OWNERS = ".github/CODEOWNERS"
SCHEMA = ".mlem/policy.schema.json"
"""What an editor is told of `policy.yaml`."""
BASIC = (
    CONFIG,
    ".github/workflows/check.yml",
    ".github/workflows/register.yml",
    PACKAGE,
    "scripts/check.py",
    "scripts/register.py",
    "scripts/tell.py",
)
GOVERNED = (
    ".github/workflows/verify-tags.yml",
    ".github/workflows/promote.yml",
    ".github/workflows/audit.yml",
    ".github/dependabot.yml",
    OWNERS,
    ".github/pull_request_template.md",
    "policy.yaml",
    SCHEMA,
    "allowed_signers",
    "scripts/verify_tags.py",
    "scripts/audit.py",
    "scripts/issue.sh",
)
_OWNER = r"@[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+)?|[^\s@#]+@[^\s@#]+"


def init(
    project: str | PathLike[str] = ".",
    *,
    governed: bool = False,
    package: str | None = None,
    owners: Sequence[str] = (),
) -> list[Path]:
    """Make a folder a registry and return the files written; those that exist stay as they are.

    The folder becomes a git repository where it is none. `package` is the requirement that the workflows install (by
    default this package's own git commit, where pip recorded one), `owners` the users or teams of the gate's files.
    Raises `RegistryError`, before anything is made where the request itself is wrong.
    """
    folder = Path(project).absolute()
    is_repository = _is_repository(folder)
    texts = {path: _template(path) for path in (*BASIC, *(GOVERNED if governed else ()))}
    texts[PACKAGE] += _requirement(package)
    if owners:
        texts[OWNERS] = _owned(texts.get(OWNERS), owners)
    missing = [path for path in texts if not (folder / path).exists()]
    for path in missing:
        _require_no_symlink(folder, path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_repository:
            run(None, ["init", "--quiet", "--end-of-options", str(folder)], hooks=True)
        for path in missing:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(texts[path])
    except OSError as error:
        raise RegistryError(f"{error.filename} cannot be made: {error.strerror}", str(folder)) from None
    return [folder / path for path in missing]


def installs_nothing(project: str | PathLike[str]) -> bool:
    """Whether the workflows' requirements of a registry name nothing yet."""
    return _only_comments(Path(project) / PACKAGE)


def owned_by_nobody(project: str | PathLike[str]) -> bool:
    """Whether the code owners' file of a registry names no owner yet."""
    return _only_comments(Path(project) / OWNERS)


def _only_comments(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return not any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def _template(path: str) -> str:
    if path == CONFIG:
        return ""
    if path == SCHEMA:
        return (resources.files("registry") / "schemas" / "policy.schema.json").read_text("utf-8")
    return resources.files("registry").joinpath("templates", *path.removeprefix(".").split("/")).read_text("utf-8")


def _requirement(package: str | None) -> str:
    if package is None:
        return _installed_from() or ""
    if not package.isprintable() or not package.strip() or package.lstrip().startswith("#"):
        raise RegistryError(f"not a requirement: {package!r}", fix="write one line as pip reads it")
    return f"{package.strip()}\n"


def _installed_from() -> str | None:
    """The requirement of the git commit this package was installed from, as PEP 610 records it; none otherwise."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    from registry.urls import has_credentials

    try:
        record = json.loads(distribution("git-model-registry").read_text("direct_url.json") or "{}")
        url, source = str(record["url"]), record["vcs_info"]
        commit = str(source["commit_id"])
    except (PackageNotFoundError, KeyError, ValueError, TypeError):
        return None
    sound = source.get("vcs") == "git" and url.startswith("https://") and url.isprintable() and " " not in url
    if not sound or has_credentials(url) or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit):
        return None
    return f"git-model-registry[http] @ git+{url}@{commit}\n"


def _owned(text: str | None, owners: Sequence[str]) -> str:
    if text is None:
        raise RegistryError("owners are for a governed registry", fix="add --governed")
    for each in owners:
        if not re.fullmatch(_OWNER, each):
            raise RegistryError(f"not an owner: {each!r}", fix="write @USER, @ORG/TEAM or an e-mail address")
    return re.sub(r"^#(\S+) OWNERS$", rf"\1 {' '.join(owners)}", text, flags=re.MULTILINE)


def _require_no_symlink(folder: Path, path: str) -> None:
    """Nothing is written through a symlink that a cloned repository brought along."""
    parts = Path(path).parts
    for count in range(1, len(parts) + 1):
        each = folder.joinpath(*parts[:count])
        if each.is_symlink():
            raise RegistryError(f"{each.name} is a symlink", str(each), "make it a plain folder or file")


def _is_repository(folder: Path) -> bool:
    """Whether a folder, existing or not, is a repository's root. Raises where a registry cannot be made of it."""
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    inside, *prefix = run(there, ["rev-parse", "--is-inside-work-tree", "--show-prefix"], accept=(0, 128)).out.split(
        b"\n"
    )
    if not inside:
        return False
    if inside != b"true":
        raise RegistryError("this is a bare repository", str(folder), "run `registry init` in a clone of it")
    if prefix[0] or there != folder:
        raise RegistryError(
            "this folder lies inside a git repository, whose root a registry must be",
            str(folder),
            "run `registry init` at that root, or `git init` here first",
        )
    return True
