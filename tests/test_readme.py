"""The README and the guides are true: their commands run, in order, and print what they are said to print.

Of each Markdown file the blocks ```` ```bash ```` and ```` ```python ```` run in one folder, from top to bottom. A block
```` ```text ```` right behind one is its output, where `…` stands for anything. `<!-- fails -->` before a block says that
it ends with 1, `<!-- not run: why -->` that it needs the network. `https://github.com/mycompany/` is a git server of
the lab, by git's own `url.<base>.insteadOf`. The README begins with two empty repositories; each guide where it ends.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forking
import pytest
from git_http import serve
from lab import ROOT, Lab, Ran

HOST = "https://github.com/mycompany/"
REPOSITORIES = ("cost-prediction", "model-registry")
GUIDES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
NEEDS_NETWORK = re.compile(r"^(git clone|cd|python3 -m venv|\. \S+/activate|pip install|make|#) ?.*$")
BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^>]*) -->\n+)?^```(?P<kind>[a-z]*)\n(?P<text>.*?)^```$(?P<between>\s*)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block that is run."""

    place: str
    kind: str
    text: str
    note: str
    output: str | None


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a file that are run, each with the output that stands behind it."""
    text = path.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    for number, match in enumerate(found):
        if match["kind"] not in {"bash", "python"}:
            continue
        after = found[number + 1] if number + 1 < len(found) else None
        follows = after is not None and after.start() == match.end() and after["kind"] == "text"
        place = f"{path.name}, line {text.count(chr(10), 0, match.start('text')) + 1}"
        yield Block(
            place, match["kind"], match["text"], match["note"] or "", after["text"] if follows and after else None
        )


def not_run(block: Block) -> bool:
    if not block.note.startswith("not run: "):
        return False
    for line in block.text.strip().splitlines():
        assert NEEDS_NETWORK.match(line), f"{block.place} could be run: {line}"
    return True


def require_output(block: Block, printed: str) -> None:
    if block.output is not None:
        parts = (re.escape(part) for part in block.output.strip().split("…"))
        assert re.fullmatch(".*?".join(parts), printed.strip(), re.DOTALL), f"{block.place} printed:\n{printed}"


class Reader:
    """Somebody who types what a guide says."""

    def __init__(self, lab: Lab, url: str) -> None:
        self.lab = lab
        with (lab.home / ".gitconfig").open("a") as settings:
            settings.write(f'[url "{url}/"]\n\tinsteadOf = {HOST}\n')
        commands = lab.root / "bin"
        commands.mkdir()
        self.path = f"{commands}:{Path(sys.executable).parent}"
        self.python = str(commands / "python")
        for name in ("registry", "git-registry"):  # forked, and also where the package is not installed
            (commands / name).write_text(forking.shell('set -- -m registry "$@"\n'))
        (commands / "python").write_text(forking.shell())
        for command in commands.iterdir():
            command.chmod(0o755)

    def follow(self, path: Path, folder: Path) -> None:
        """Run all blocks of a file; a `cd` holds for the next block."""
        here = self.lab.root / "here"
        here.write_text(str(folder))
        for block in blocks(path):
            if not not_run(block):
                ran = self.run(block, Path(here.read_text().strip()), here)
                expected = 1 if block.note == "fails" else 0
                assert ran.code == expected, f"{block.place} ended with {ran.code}:\n{ran.stdout}{ran.stderr}"
                assert "Traceback" not in ran.stderr, f"{block.place}:\n{ran.stderr}"
                require_output(block, ran.stdout)

    def run(self, block: Block, folder: Path, left: Path) -> Ran:
        """Run one block, with the real clock: each of its commands has its own time."""
        import os

        env = {"GIT_AUTHOR_DATE": None, "GIT_COMMITTER_DATE": None, "LAB_CLOCK": None, "LEFT": str(left)}
        env["PATH"] = f"{self.path}:{os.environ['PATH']}"
        if block.kind == "python":
            return self.lab.run(self.python, "-c", block.text, cwd=folder, env=env, check=False, forks=True)
        script = f"trap 'pwd > \"$LEFT\"' EXIT\nexec 2>&1\n{block.text}"
        return self.lab.run("bash", "-euo", "pipefail", "-c", script, cwd=folder, env=env, check=False, forks=True)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's story, once: what lies on the server and in the reader's folder at its end."""
    lab = Lab(tmp_path_factory.mktemp("story") / "lab")
    (lab.root / "server").mkdir()
    (lab.root / "work").mkdir()
    for name in REPOSITORIES:
        lab.repo(f"server/{name}", bare=True)
    with serve(lab.root / "server") as server:
        Reader(lab, server.url).follow(ROOT / "README.md", lab.root / "work")
    return lab.root


def test_the_commands_of_the_readme_run(told: Path) -> None:
    assert (told / "work" / "model-registry" / ".mlem" / "links" / "cost_predictor.mlem").is_file()


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_guide_run(told: Path, lab: Lab, guide: str) -> None:
    for name in ("server", "work"):
        shutil.copytree(told / name, lab.root / name)
    with serve(lab.root / "server") as server:
        Reader(lab, server.url).follow(ROOT / "docs" / guide, lab.root / "work")


def test_every_guide_is_found_from_the_readme_and_every_link_leads_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name} links {target}"
    linked = set(re.findall(r"\(docs/([a-z-]+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert linked == set(GUIDES)


def test_the_readme_lists_every_command() -> None:
    from registry.cli.app import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in (name for group in COMMANDS.values() for name in group):
        assert f"| `{name}" in text, f"README.md does not list `{name}`"


def test_the_public_names_are_explained() -> None:
    import registry

    texts = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    for name in registry.__all__:
        assert name in texts, f"no guide mentions registry.{name}"


def test_this_repository_is_itself_a_registry(lab: Lab) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(ROOT)}
    assert lab.registry("check", "--json", "-r", str(ROOT), env=trusted).json == []
    assert (ROOT / ".mlem" / "config.yaml").is_file()


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nfalse\n```\n",
        "<!-- fails -->\n```bash\ntrue\n```\n",
        "```bash\necho one\n```\n\n```text\ntwo\n```\n",
        "```bash\necho one two\n```\n\n```text\none\n```\n",
        "```python\nraise SystemExit(2)\n```\n",
        "<!-- not run: why -->\n```bash\necho could be run\n```\n",
        "```bash\nmkdir there && cd there\n```\n\n```bash\ncd there\n```\n",
    ],
)
def test_a_guide_that_is_wrong_does_not_pass(lab: Lab, text: str) -> None:
    guide = lab.root / "guide.md"
    guide.write_text(text)
    with pytest.raises(AssertionError, match=r"guide\.md, line"):
        Reader(lab, "http://127.0.0.1:1").follow(guide, lab.root)
