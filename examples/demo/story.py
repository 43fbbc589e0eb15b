"""How the demo is told: chapters, the commands a person would type, their output, and what was checked."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BIN = Path(sys.executable).parent
"""Where the commands `registry` and `gto` of this environment lie."""


class Wrong(Exception):
    """The demo did not show what it promises."""


class Story:
    """Prints what happens; `expect` ends the demo where something else happened."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**environment, "PATH": f"{BIN}{os.pathsep}{environment.get('PATH', os.defpath)}"}
        self.held = 0
        """How many expectations held."""
        self._chapter = 0
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._bold, self._dim, self._end = ("\033[1m", "\033[2m", "\033[0m") if colour else ("", "", "")

    def chapter(self, title: str, text: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        print(f"\n{self._bold}{self._chapter}. {title}{self._end}\n   {text}", flush=True)

    def typed(self, folder: Path | None, command: str) -> None:
        """Show what a person types, and where."""
        place = f"{folder.name} " if folder else ""
        print(f"   {self._dim}{place}${self._end} {command}", flush=True)

    def said(self, text: str) -> None:
        """Show what came back."""
        for line in text.strip().splitlines():
            print(f"     {line}", flush=True)

    def expect(self, holds: bool, what: str, told: object = "") -> None:
        """Go on where it holds; else end the demo, telling what was seen instead."""
        if not holds:
            raise Wrong(f"{what}\n{told}".rstrip())
        self.held += 1
        print(f"   ✓ {what}", flush=True)

    def run(self, folder: Path, *command: str, fails: bool = False, shown: bool = True) -> str:
        """Type a command in a folder and give its output; of one that is to fail, what it said on standard error."""
        if shown:
            self.typed(folder, shlex.join(command))
        program = BIN / command[0]
        line = [str(program), *command[1:]] if program.exists() else list(command)
        done = subprocess.run(line, cwd=folder, env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        if (done.returncode == 0) is fails:
            raise Wrong(f"{shlex.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        if shown:
            self.said(done.stdout + done.stderr)
        return done.stderr if fails else done.stdout
