"""The chapters of the worked example, in the order in which they are told; each step is checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from client import App
from people import People
from story import BIN, Story
from workflow import Workflow
from working_copy import WorkingCopy

HERE = Path(__file__).resolve().parent
NAME = "taxi_demand"
SUITE = "evaluations/held-out.yaml"
COLUMNS = ["hour", "weekday", "zone", "temperature", "rain"]
ROWS = [[8, 1, 2, 12.5, 0], [18, 6, 4, 3.0, 1], [3, 2, 0, 20.0, 0]]


class Taxi(contextlib.ExitStack):
    """The chapters; leaving it ends the application."""

    def __init__(self, story: Story, output: Path, url: str, tracked: str) -> None:
        super().__init__()
        self.people = People(story, output / "keys")
        self.story, self.output, self.tracked = story, output, tracked
        self.clones = output / "clones"
        self.source_url, self.url = f"{url}/taxi-demand.git", f"{url}/model-registry.git"
        self.host = url
        self.answers: dict[str, list[float]] = {}
        """What each version, asked of the trained file itself, predicts for the rows."""

    # 1

    def train(self) -> None:
        """The pipeline, tracked and pushed."""
        self.story.chapter("A pipeline trains the model", "DVC keeps data and stages, MLflow the run, git all of it.")
        self.source = WorkingCopy(self.story, self.source_url, self.clones / "taxi-demand")
        folder = self.source.folder
        shutil.copytree(HERE / "source", folder, dirs_exist_ok=True)
        self.story.run(folder, "dvc", "init", "--quiet")
        self.story.run(folder, "dvc", "remote", "add", "--default", "storage", str(self.output / "dvc-storage"))
        self.story.run(folder, "python", "src/collect.py")
        self.story.run(folder, "dvc", "add", "--quiet", "data/raw.csv")
        self.source.commit("A pipeline for the demand of taxis")
        self.reproduce("v1", "Train a ridge regression")

    def reproduce(self, tag: str, message: str) -> None:
        """Run the pipeline, and commit, tag and push what it made."""
        folder = self.source.folder
        code = self.source.repo.head.commit.hexsha
        self.story.run(folder, "dvc", "repro", "--quiet")
        run = (folder / "lineage.yaml").read_text()
        self.story.expect(code in run and self.tracked in run, "the run in MLflow knows the commit of its code", run)
        self.source.commit(message, tag)
        self.story.run(folder, "dvc", "push", "--quiet")
        self.source.push("main", tag)
        status = json.loads(self.story.run(folder, "dvc", "status", "--json"))
        self.story.expect(status == {}, "code, data and model belong to one commit", status)
        self.answers[tag] = self.predicted()

    def predicted(self) -> list[float]:
        """What the file that was just trained predicts, read without the registry."""
        import pandas as pd
        import skops.io

        path = self.source.folder / NAME
        model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        return [float(each) for each in model.predict(pd.DataFrame(ROWS, columns=COLUMNS))]

    # 2

    def govern(self) -> None:
        """The registry and its rules."""
        self.story.chapter(
            "A registry with rules", "Sources, a sound birth certificate, a card; prod needs another's yes."
        )
        self.registry = WorkingCopy(self.story, self.url, self.clones / "model-registry")
        folder = self.registry.folder
        self.story.run(folder, "registry", "init", "--governed")
        policy = (folder / "policy.yaml").read_text()
        sources = f'trusted_sources: ["{self.host}/**", "mlflow+{self.tracked}"]\n'
        policy = policy.replace("checks:\n", f"{sources}\nchecks:\n  lineage-complete: error\n", 1)
        (folder / "policy.yaml").write_text(policy + "\n" + (HERE / "registry" / "stages.yaml").read_text())
        (folder / "allowed_signers").write_text(self.people.signers())
        self.story.typed(folder, "$EDITOR policy.yaml allowed_signers   # who may do what, and by which key")
        self.registry.commit("Make the registry")
        self.registry.push("main")

    # 3

    def propose(self) -> None:
        """Registration by pull request."""
        self.story.chapter("A model enters by pull request", "The gate judges it; once merged, it is a version.")
        self.pull_request("v1")
        self.card()
        self.judged()
        self.merge("v0.0.1")

    def pull_request(self, tag: str) -> None:
        """Push a link to a tag of the source as a branch of its own."""
        line = ("link", "--source-project", self.source_url, "--rev", tag, "--pull-request", NAME, NAME)
        self.story.run(self.registry.folder, "registry", *line)
        self.registry.git("fetch", "--quiet", "origin")
        pinned = self.source.repo.commit(tag).hexsha
        link = self.registry.repo.git.show(f"origin/link/{NAME}:.mlem/links/{NAME}.mlem")
        self.story.expect(pinned in link, f"the pull request pins commit {pinned[:7]}", link)

    def card(self) -> None:
        """What the gate still misses: a card, written by people, in the same pull request."""
        folder = self.registry.folder
        found = self.found()
        self.story.expect({each["id"] for each in found} == {"model-card"}, "the gate asks for a model card", found)
        self.registry.git("switch", "--quiet", "--force-create", f"link/{NAME}", f"origin/link/{NAME}")
        self.story.run(folder, "registry", "card", "init", NAME)
        path = folder / "cards" / f"{NAME}.md"
        path.write_text((HERE / "registry" / "card.md").read_text())
        self.story.typed(folder, f"$EDITOR cards/{NAME}.md   # intended use, limitations, license, owner")
        self.registry.commit("Say what the model is for")
        self.registry.push(f"link/{NAME}")
        self.registry.git("switch", "--quiet", "main")

    def found(self) -> Any:
        """What the gate finds in a pull request that it refuses, judged as the workflow does."""
        line = ("check", "--base", "origin/main", "--head", f"origin/link/{NAME}")
        self.story.run(self.registry.folder, "registry", *line, fails=True)
        done = subprocess.run([BIN / "registry", *line, "--json"], cwd=self.registry.folder, env=self.story.environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
        return json.loads(done.stdout)

    def judged(self) -> None:
        """The gate as the workflow runs it."""
        self.registry.git("fetch", "--quiet", "origin")
        line = ("check", "--base", "origin/main", "--head", f"origin/link/{NAME}")
        said = self.story.run(self.registry.folder, "registry", *line)
        self.story.expect("no findings" in said, "the gate lets it pass", said)

    def merge(self, version: str) -> None:
        """Merge the pull request, and do what register.yml does then."""
        self.registry.git("merge", "--quiet", "--no-ff", "--no-edit", f"origin/link/{NAME}")
        self.registry.push("main")
        self.registry.git("push", "--quiet", "origin", "--delete", f"link/{NAME}")
        self.story.run(self.registry.folder, "python", "scripts/register.py")
        said = self.story.run(self.registry.folder, "registry", "latest", NAME, "-r", self.url)
        self.story.expect(said.strip() == version, f"it is registered as {version}", said)

    # 4

    def refuse(self) -> None:
        """A model of which nobody can say where it comes from."""
        self.story.chapter("What was made by hand is refused", "Somebody trains without the pipeline, and tags it.")
        folder = self.source.folder
        (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace("ridge", "boosting"))
        self.story.typed(folder, "sed --in-place 's/ridge/boosting/' params.yaml")
        self.story.run(folder, "python", "src/train.py")
        self.source.commit("Quick win", "v1-quick")
        self.source.push("main", "v1-quick")
        self.pull_request("v1-quick")
        found = self.found()
        wrong = [each["message"] for each in found if each["id"] == "lineage-complete" and each["severity"] == "error"]
        broken = any("the chain is broken" in each for each in wrong)
        self.story.expect(broken, "the gate refuses: data, lock and model no longer belong together", found)
        self.registry.git("push", "--quiet", "origin", "--delete", f"link/{NAME}")

    # 5

    def evaluate(self) -> None:
        """A report on locked data."""
        self.story.chapter("Evaluated on data that nobody can swap", "The suite names the data with its SHA-256.")
        folder = self.registry.folder
        (folder / "data").mkdir()
        data = folder / "data" / "held-out.csv"
        shutil.copy(self.source.folder / "data" / "held-out.csv", data)
        suite = folder / SUITE
        suite.parent.mkdir(exist_ok=True)
        digest = hashlib.sha256(data.read_bytes()).hexdigest()
        suite.write_text((HERE / "registry" / SUITE).read_text().replace("SHA256", digest))
        self.registry.commit("Judge the demand of taxis on held-out data")
        report = self.evaluated("v0.0.1")
        self.registry.push("main")
        self.story.expect(0.2 < report["results"]["metrics"]["r2"] < 0.5, "its numbers are in the report", report)
        data.write_text(data.read_text().replace("\n", "\n0,0,0,0,0,0\n", 1))
        line = ("registry", "evaluate", f"{NAME}@v0.0.1", "--suite", SUITE)
        said = self.story.run(folder, *line, fails=True)
        self.story.expect("Traceback" not in said, "altered data is refused before a model is loaded", said)
        self.registry.git("restore", "data/held-out.csv")

    def evaluated(self, version: str) -> Any:
        """Evaluate a version, and commit its report; the report."""
        folder = self.registry.folder
        self.story.run(folder, "registry", "evaluate", f"{NAME}@{version}", "--suite", SUITE)
        reports = folder / "evaluations" / "reports" / NAME
        written = max(reports.rglob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        self.registry.commit(f"Evaluate {NAME} {version}")
        return json.loads(written.read_text())

    # 6

    def promote(self) -> None:
        """The first version goes into production."""
        self.story.chapter("Promotion", "An application that runs all the while knows one thing: the registry's URL.")
        self.assign("v0.0.1", "staging")
        self.approved("v0.0.1", "JIRA-4521")
        self.assign("v0.0.1", "prod")
        self.app = App(self.story, self.url, self.output / "cache-of-the-application", NAME)
        self.callback(self.app.end)
        self.require_answers("v1", "Ridge")

    def assign(self, version: str, stage: str) -> None:
        """Put a version into a stage, and let the remote decide."""
        self.story.run(
            self.registry.folder, "registry", "assign", NAME, "--version", version, "--stage", stage, "--push"
        )

    def approved(self, version: str, reference: str) -> None:
        """Nobody alone brings a version into prod: Dana made it, Bo approves it."""
        folder = self.registry.folder
        words = ("--version", version, "--stage", "prod")
        said = self.story.run(folder, "registry", "assign", NAME, *words, "--push", fails=True)
        self.story.expect("approvals-missing" in said, "it is refused: nobody has approved it", said)
        self.story.run(folder, "registry", "request", NAME, *words, "--message", "Better on held-out data", "--push")
        self.people.act(self.story, "bo")
        self.story.run(folder, "registry", "gates", NAME, *words)
        given = ("--confirm", "kpi", "--reference", reference, "--message", "Looked at the report", "--push")
        self.story.run(folder, "registry", "approve", NAME, *words, *given)
        self.people.act(self.story, "dana")

    def require_answers(self, tag: str, kind: str) -> None:
        """The application answers with this model, and with its numbers."""
        answer = self.app.ask(COLUMNS, ROWS)
        self.story.said(json.dumps(answer))
        near = answer.get("model") == kind and len(answer["predictions"]) == len(ROWS)
        near = near and all(abs(a - b) < 1e-9 for a, b in zip(answer["predictions"], self.answers[tag], strict=True))
        self.story.expect(near, f"the application predicts with {kind}", self.answers[tag])

    # 7

    def improve(self) -> None:
        """The same change, made by the pipeline, and evaluated where it is proposed."""
        self.story.chapter("A second version", "The same change, made by the pipeline; its report in the pull request.")
        self.reproduce("v2", "Train gradient boosting")
        self.pull_request("v2")
        self.registry.git("switch", "--quiet", "--force-create", f"link/{NAME}", f"origin/link/{NAME}")
        report = self.evaluated("HEAD")
        low = report["results"]["comparison"]["differences"]["r2"]["low"]
        self.story.expect(low > 0, "it is better on the locked data, beyond chance", report["results"]["comparison"])
        self.registry.push(f"link/{NAME}")
        self.registry.git("switch", "--quiet", "main")

    # 8

    def compare(self) -> None:
        """Side by side with what runs now; then merged."""
        self.story.chapter("Compared with what runs now", "What would change, before anybody says yes.")
        folder, line = self.registry.folder, ("compare", NAME, "#prod", f"origin/link/{NAME}")
        self.registry.git("fetch", "--quiet", "origin")
        self.story.run(folder, "registry", *line)
        said = json.loads(self.story.run(folder, "registry", *line, "--json", shown=False))
        self.story.expect("train.type" in json.dumps(said), "it names the parameter that changed", said)
        self.judged()
        self.merge("v0.0.2")

    # 9

    def replace(self) -> None:
        """The second version goes into production, through staging, by the registry's workflow."""
        self.story.chapter(
            "Promotion of the second version", "By the workflow, which has a key of its own; the application follows."
        )
        self.assign("v0.0.2", "staging")
        self.approved("v0.0.2", "JIRA-4544")
        robot = "robot@example.org"
        workflow = Workflow(self.story, self.url, self.output / "runner", self.people.folder / "robot", robot)
        tags = workflow.promote(NAME, "v0.0.2", "prod")
        self.story.expect(tags.startswith(f"{NAME}#prod#"), "the workflow signed and recorded the promotion", tags)
        self.require_answers("v2", "HistGradientBoostingRegressor")

    # 10

    def roll_back(self) -> None:
        """And back."""
        self.story.chapter("Rollback", "One command; the application has the first version with its next request.")
        self.story.run(self.registry.folder, "registry", "rollback", NAME, "--stage", "prod", "--push")
        self.require_answers("v1", "Ridge")
        self.story.run(self.registry.folder, "registry", "history", NAME)

    # 11

    def attack(self) -> None:
        """Somebody who may push moves the stage by hand."""
        self.story.chapter("An attack", "Eve may push to the repository, but no policy names her.")
        self.people.act(self.story, "eve")
        folder, commit = self.registry.folder, self.registry.repo.commit(f"{NAME}@v0.0.2").hexsha
        tag = f"{NAME}#prod#99"
        self.story.run(folder, "git", "tag", "--sign", "--message", "Trust me", tag, commit)
        self.story.run(folder, "git", "push", "--quiet", "origin", tag)
        self.people.act(self.story, "dana")
        told = self.story.run(folder, "gto", "show", f"{NAME}#prod")
        self.story.expect("v0.0.2" in told, "gto believes it", told)
        said = self.story.run(folder, "registry", "which", NAME, "prod", "-r", self.url)
        self.story.expect(said.strip() == "v0.0.1", "the registry does not", said)
        self.require_answers("v1", "Ridge")
        found = self.story.run(folder, "registry", "verify", fails=True)
        self.story.expect("Traceback" not in found, "verify tells of it, and fails", found)

    # 12

    def audit(self) -> None:
        """Who did what, and what stood where."""
        self.story.chapter("The audit", "Every event with who, by which key, approved by whom; read offline.")
        folder = self.registry.folder
        said = self.story.run(folder, "registry", "audit", "--stage", "prod")
        self.story.expect("bo@example.org" in said, "it names who approved", said)
        self.story.expect("robot@example.org" in said, "and that the workflow promoted", said)
        self.story.expect("ignored" in said, "and the event that was not accepted", said)

    # 13

    def walk_back(self) -> None:
        """From the running model to its raw data, and from the data to every model it touched."""
        self.story.chapter("From the running model to its data, and back", "Read from the clone, offline.")
        folder = self.registry.folder
        said = self.story.run(folder, "registry", "lineage", f"{NAME}#prod")
        raw = (self.source.folder / "data" / "raw.csv.dvc").read_text()
        md5 = next(line.split()[-1] for line in raw.splitlines() if "md5:" in line)
        self.story.expect(md5 in said and self.tracked in said, "it names the raw data and the run in MLflow", said)
        self.story.expect("approved by bo@example.org" in said, "and who allowed it", said)
        touched = self.story.run(folder, "registry", "impact", "--data-md5", md5)
        both = "v0.0.1" in touched and "v0.0.2" in touched
        self.story.expect(both, "the raw data leads to both versions", touched)
