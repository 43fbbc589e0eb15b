"""The people of the example: each signs with a key of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from story import Story

NAMES = ("dana", "bo", "eve", "robot")
"""Dana makes models, Bo owns the stage, Eve may push and is named nowhere; Robot is the workflow that promotes."""
KNOWN = ("dana", "bo", "robot")


class People:
    """Their keys, below one folder; Dana is at work first."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in NAMES:
            line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            subprocess.run(line, check=True, stdin=subprocess.DEVNULL)
        self.act(story, "dana")

    def act(self, story: Story, name: str) -> None:
        """From now on it is this person who types: git signs every tag with their key."""
        settings = {
            "user.name": name.title(),
            "user.email": f"{name}@example.org",
            "gpg.format": "ssh",
            "user.signingKey": str(self.folder / name),
            "tag.gpgSign": "true",
        }
        numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        story.environment |= numbered
        os.environ |= numbered
        story.typed(None, f"# {name.title()} is at work, with a key of {'his' if name == 'bo' else 'her'} own")

    def signers(self) -> str:
        """The file that says whose keys are known."""
        keys = {name: (self.folder / f"{name}.pub").read_text().strip() for name in KNOWN}
        return "".join(f'{name}@example.org namespaces="git" {key}\n' for name, key in keys.items())
