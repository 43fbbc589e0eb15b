"""A person's working copy: what people do with git by hand, each step shown as they would type it."""

from __future__ import annotations

import shlex
from pathlib import Path

from git import Repo
from story import Story


class WorkingCopy:
    """A clone that a person edits."""

    def __init__(self, story: Story, url: str, folder: Path) -> None:
        self.story = story
        self.folder = folder
        story.typed(folder.parent, f"git clone {url} {folder.name}")
        self.repo = Repo.clone_from(url, folder)

    def branch(self, name: str) -> None:
        """Begin a branch."""
        self.story.typed(self.folder, f"git switch --create {name}")
        self.repo.create_head(name).checkout()

    def commit(self, message: str, tag: str | None = None) -> str:
        """Commit everything there is, and tag it where asked; its id."""
        self.story.typed(self.folder, f"git add --all && git commit --message '{message}'")
        self.repo.git.add(all=True)
        self.repo.index.commit(message)
        if tag:
            self.story.typed(self.folder, f"git tag --annotate {tag} --message '{message}'")
            self.repo.create_tag(tag, message=message)
        return self.repo.head.commit.hexsha

    def merge(self, branch: str) -> None:
        """Push a branch and merge it into main, as a host does with a pull request."""
        self.push(branch)
        self.story.typed(self.folder, f"git switch main && git merge --no-ff {branch}   # the pull request is approved")
        self.repo.heads.main.checkout()
        self.repo.git.merge(branch, no_ff=True, message=f"Merge branch '{branch}'")
        self.push("main")

    def push(self, *refs: str, force: bool = False) -> None:
        """Push branches and tags; a rejection is an error."""
        self.story.typed(self.folder, f"git push {'--force ' if force else ''}origin {' '.join(refs)}")
        self.repo.remote().push([*refs], force=force).raise_if_error()

    def git(self, *words: str) -> None:
        """Any other git command."""
        self.story.typed(self.folder, shlex.join(["git", *words]))
        self.repo.git.execute(["git", *words])
