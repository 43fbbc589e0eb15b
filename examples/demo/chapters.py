"""The six chapters of the demo, in the order in which they are told; each step is checked."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from client import App
from story import Story
from working_copy import WorkingCopy

HERE = Path(__file__).resolve().parent
NAME = "cost_predictor"


class Demo:
    """The six chapters."""

    def __init__(self, story: Story, output: Path, url: str) -> None:
        from sklearn.datasets import load_diabetes

        features, target = load_diabetes(return_X_y=True, as_frame=True)
        self.story, self.output = story, output
        self.server, self.work = output / "server", output / "clones"
        self.source_url, self.url = f"{url}/cost-prediction.git", f"{url}/model-registry.git"
        self.features, self.target = features, target
        self.rows = features.head(3)

    def expected(self, name: str) -> list[float]:
        """What a model gives for the rows, trained here and not loaded from anywhere."""
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.linear_model import LinearRegression

        forest = RandomForestRegressor(n_estimators=20, max_depth=6, random_state=0)
        model = LinearRegression() if name == "linear_regression" else forest
        return [float(each) for each in model.fit(self.features, self.target).predict(self.rows)]

    def require_prediction(self, app: App, name: str, kind: str) -> None:
        """The application answers with this model, and with its numbers."""
        answer = app.ask(list(self.rows.columns), self.rows.to_numpy().tolist())
        self.story.said(json.dumps(answer))
        expected = self.expected(name)
        near = answer.get("model") == kind and len(answer["predictions"]) == len(expected)
        near = near and all(abs(a - b) < 1e-9 * abs(b) for a, b in zip(answer["predictions"], expected, strict=True))
        self.story.expect(near, f"the application predicted with the {kind}", f"expected {expected}")

    def require_agreement(self, *names: str) -> None:
        """Both tools give the same JSON."""
        for arguments in ((), *((name,) for name in names)):
            words = " ".join((*arguments, "--json"))
            self.story.typed(self.registry.folder, f"diff <(gto show {words}) <(registry show {words})")
            ours, theirs = map(partial(self.shown, arguments), ("registry", "gto"))
            self.story.expect(
                bool(ours) and ours == theirs, "both tools see the same", f"registry: {ours}\ngto: {theirs}"
            )

    def shown(self, arguments: Sequence[str], tool: str) -> Any:
        """What `show --json` of a tool says in the registry."""
        return json.loads(self.story.run(self.registry.folder, tool, "show", *arguments, "--json", shown=False))

    def train(self) -> None:
        """Chapter 1: the source repository."""
        self.story.chapter("A data scientist trains and saves a model", "The source repository: code, model, tags.")
        self.source = WorkingCopy(self.story, self.source_url, self.work / "cost-prediction")
        shutil.copy(HERE / "train.py", self.source.folder)
        for name, tag in (("linear_regression", "v1"), ("random_forest", "v2")):
            said = self.story.run(self.source.folder, "python", "train.py", name)
            metafile = self.source.folder / f"{name}.mlem"
            self.story.expect(metafile.is_file() and said.startswith("R2 0."), f"{metafile.name} describes the model")
            self.source.commit(f"Train the {name.replace('_', ' ')}", tag)
            self.source.push("main", tag)

    def link(self, model: str, tag: str) -> None:
        """A link on a branch, checked and merged."""
        branch = f"link-{tag}"
        self.registry.branch(branch)
        folder = self.registry.folder
        self.story.run(folder, "registry", "link", "--source-project", self.source_url, "--rev", tag, model, NAME)
        link = (folder / ".mlem" / "links" / f"{NAME}.mlem").read_text()
        pinned = self.source.repo.commit(tag).hexsha
        self.story.expect(f"commit: {pinned}" in link.replace('"', ""), f"the link pins commit {pinned[:7]}", link)
        self.story.run(folder, "registry", "check")
        self.registry.commit(f"Link {model} {tag}")
        self.registry.merge(branch)

    def make_registry(self) -> None:
        """Chapter 2: the registry repository and its first link."""
        self.story.chapter("A registry is a git repository", "Made once; models enter it as links, by pull request.")
        self.registry = WorkingCopy(self.story, self.url, self.work / "model-registry")
        self.story.run(self.registry.folder, "registry", "init")
        self.registry.commit("Make the registry")
        self.registry.push("main")
        self.link("linear_regression", "v1")

    def record(self) -> None:
        """Chapter 3: versions and stages, by gto and by the registry."""
        self.story.chapter("Versions and stages are git tags", "Made by gto or by the registry, read alike by both.")
        folder = self.registry.folder
        for command in (("register", NAME), ("assign", NAME, "--version", "v0.0.1", "--stage", "prod")):
            time.sleep(1.1)  # gto orders events by the second in which they were made
            self.story.run(folder, "gto", *command)
        self.registry.push(f"{NAME}@v0.0.1", f"{NAME}#prod#1")
        self.require_agreement(NAME)
        self.link("random_forest", "v2")
        self.story.run(folder, "registry", "register", NAME, "--bump-minor", "--push")
        self.story.run(folder, "registry", "assign", NAME, "--version", "v0.1.0", "--stage", "staging", "--push")
        self.require_agreement(NAME)
        self.story.run(folder, "registry", "show")
        ours = json.loads(self.story.run(folder, "registry", "show", "--json", "-r", self.url, shown=False))
        stages = ours[NAME]["stage"]
        self.story.expect(stages == {"prod": "v0.0.1", "staging": "v0.1.0"}, "the server has them too", ours)

    def predict(self, app: App) -> None:
        """Chapter 4: the application."""
        self.story.chapter("An application loads by stage", "It knows the registry's URL: not the source, no version.")
        self.story.typed(
            None, f"python examples/demo/app.py {self.url}   # a process of its own, with a cache of its own"
        )
        self.require_prediction(app, "linear_regression", "LinearRegression")
        said = self.story.run(self.work, "registry", "which", NAME, "prod", "-r", self.url)
        self.story.expect(said.strip() == "v0.0.1", "the command line says the same")

    def promote(self, app: App) -> None:
        """Chapter 5: a promotion, and back."""
        folder = self.registry.folder
        self.story.chapter("Promotion and rollback", "The same process asks again; nothing is restarted or deployed.")
        self.story.run(folder, "registry", "assign", NAME, "--version", "v0.1.0", "--stage", "prod", "--push")
        self.require_prediction(app, "random_forest", "RandomForestRegressor")
        self.story.run(folder, "registry", "rollback", NAME, "--stage", "prod", "--push")
        self.require_prediction(app, "linear_regression", "LinearRegression")
        self.require_agreement(NAME)
        self.story.run(folder, "registry", "history", NAME)

    def alter(self) -> None:
        """Chapter 6, first half: someone with rights at the source rewrites its history."""
        self.story.chapter("Someone alters the model", "The tag v1 moves to other bytes, the old ones are erased.")
        intruder = WorkingCopy(self.story, self.source_url, self.work / "intruder")
        self.pinned = intruder.repo.commit("v1").hexsha
        intruder.git("switch", "--detach", "v1")
        train = intruder.folder / "train.py"
        honest = train.read_text()
        train.write_text(honest.replace("fit(features, target)", "fit(features, target / 2)"))
        self.story.typed(
            intruder.folder, "sed --in-place 's/fit(features, target)/fit(features, target \\/ 2)/' train.py"
        )
        self.story.run(intruder.folder, "python", "train.py", "linear_regression")
        self.story.typed(intruder.folder, "git restore train.py   # the code looks as before")
        train.write_text(honest)
        intruder.git("commit", "--all", "--amend", "--no-edit")
        intruder.git("tag", "--force", "--annotate", "v1", "--message", "Train the linear regression")
        intruder.git("cherry-pick", "v2")
        intruder.git("tag", "--force", "--annotate", "v2", "--message", "Train the random forest")
        intruder.push("HEAD:main", "v1", "v2", force=True)
        bare = self.server / "cost-prediction.git"
        self.story.run(bare, "git", "reflog", "expire", "--expire=now", "--all")
        self.story.run(bare, "git", "gc", "--quiet", "--prune=now")
        said = self.story.run(bare, "git", "cat-file", "-t", self.pinned, fails=True, shown=False)
        self.story.expect(bool(said), f"the reviewed commit {self.pinned[:7]} is gone from the server")

    def refuse(self, app: App, fresh: App) -> None:
        """Chapter 6, second half: what was not reviewed is not loaded."""
        self.story.typed(None, f"python examples/demo/app.py {self.url}   # on a new machine, which has nothing cached")
        answer = fresh.ask(list(self.rows.columns), self.rows.to_numpy().tolist())
        told = str(answer.get("error", ""))
        self.story.said(told)
        self.story.expect("predictions" not in answer and told.startswith("refused ("), "a new machine refuses", answer)
        facts = {"what": f"commit {self.pinned}", "where": f"where: {self.source_url}", "how to mend it": "fix:"}
        for fact, text in facts.items():
            self.story.expect(text in told, f"it says {fact}", told)
        said = self.story.run(self.registry.folder, "registry", "check", fails=True)
        self.story.expect("Traceback" not in said, "the check fails, and stops every pull request", said)
        self.story.typed(None, "# the application that has run all the while holds the reviewed bytes, and asks again")
        self.require_prediction(app, "linear_regression", "LinearRegression")
