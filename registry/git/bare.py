"""The few files that make a bare repository (gitrepository-layout(5)), written directly: a process costs more."""

from __future__ import annotations

from pathlib import Path

from registry import cache

PLAIN = "plain"
"""The folder inside a mirror through which objects are read."""


def remote_settings(url: str, *, checked: bool) -> str:
    """The configuration of a partial clone of `url`; `checked` has git judge every object that it fetches."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    return f"""[core]
\trepositoryFormatVersion = 1
\tbare = true
[extensions]
\tpartialClone = origin
[remote "origin"]
\turl = "{quoted}"
\tpromisor = true
\tpartialCloneFilter = tree:0
[fetch]
\tfsckObjects = {str(checked).lower()}
"""


def make_plain(mirror: Path) -> None:
    """Make the repository without a remote inside a mirror, which shares the mirror's object files."""
    plain = mirror / PLAIN
    (plain / "refs").mkdir(parents=True)
    (plain / "objects" / "info").mkdir(parents=True)
    (plain / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (plain / "objects" / "info" / "alternates").write_text("../../objects\n", encoding="utf-8")
    settings = (mirror / "config").read_text(encoding="utf-8")
    sha256 = "objectformat = sha256" in settings.lower()
    extension = "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    text = f"[core]\n\trepositoryFormatVersion = {int(sha256)}\n\tbare = true\n{extension}"
    (plain / "config").write_text(text, encoding="utf-8")


class fresh:  # noqa: N801 - used as a statement
    """Make a repository under a temporary name and move it to its place when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Path:
        import tempfile

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._made = Path(tempfile.mkdtemp(prefix=".", dir=self._path.parent))
        except OSError as error:
            raise cache.unwritable(self._path.parent, error) from None
        return self._made

    def __exit__(self, kind: object, *_: object) -> None:
        import shutil

        if kind is None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._made.replace(self._path)
        else:
            shutil.rmtree(self._made, ignore_errors=True)
