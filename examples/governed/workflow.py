"""The registry's own `promote.yml`, run on this machine: its steps, in a fresh clone, with the form's values and a key.

GitHub's part (the form, the reviewers of the environment, its token) is not here: `gh` is a program that says yes.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from story import Story, Wrong

FILE = ".github/workflows/promote.yml"
INSTALL = "pip install"
"""A step that this environment has behind it."""


class Workflow:
    """Promotes as `gh workflow run promote.yml` has it done."""

    def __init__(self, story: Story, url: str, folder: Path, key: Path, signer: str) -> None:
        self.story, self.url, self.folder, self.key, self.signer = story, url, folder, key, signer
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "gh").write_text("#!/bin/sh\nexit 0\n")
        (folder / "bin" / "gh").chmod(0o755)

    def promote(self, model: str, version: str, stage: str) -> str:
        """Run it; the tags that it says it made."""
        self.story.typed(None, f"gh workflow run promote.yml -f model={model} -f version={version} -f stage={stage}")
        clone, output = self.folder / "clone", self.folder / "output"
        self.story.run(self.folder, "git", "clone", "--quiet", self.url, str(clone), shown=False)
        steps = yaml.safe_load((clone / FILE).read_text())["jobs"]["promote"]["steps"]
        for step in steps:
            if "run" in step and INSTALL not in step["run"]:
                self._step(step, clone, {"MODEL": model, "VERSION": version, "STAGE": stage}, output)
        return _tags(output)

    def _step(self, step: dict[str, str], clone: Path, form: dict[str, str], output: Path) -> None:
        """One step, as GitHub's runner starts it: bash with these flags, and nothing of whoever is at work."""
        given = {key: value for key, value in self.story.environment.items() if not key.startswith("GIT_CONFIG")}
        given |= form | {
            "PATH": f"{self.folder / 'bin'}:{given['PATH']}",
            "HOME": str(self.folder),
            "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig"),
            "GIT_COMMITTER_NAME": "robot",
            "GIT_COMMITTER_EMAIL": self.signer,
            "REGISTRY_SIGNING_KEY": self.key.read_text(),
            "REGISTRY_SIGNER": self.signer,
            "REGISTRY_NOTIFY": "off",
            "GITHUB_OUTPUT": str(output),
            "TAGS": _tags(output),
        }
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            line, cwd=clone, env=given, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise Wrong(f"the step {step['name']!r} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        self.story.said(f"step {step['name']!r} ended well")


def _tags(output: Path) -> str:
    lines = output.read_text().splitlines() if output.exists() else []
    return next((line.removeprefix("tags=") for line in reversed(lines) if line.startswith("tags=")), "")
