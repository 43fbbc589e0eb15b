"""The workflows: what they let in, what they turn away, and that nobody's words run in them.

Each runs as GitHub would run it (see `workflows.py`), on a registry that `init --governed` made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import linked
import pull_comments
import pytest
import yaml
from lab import ROOT, Lab, Repo, script
from receivers import receiver
from signing_keys import key
from workflows import DOWNLOAD, EXPRESSION, Host

import registry

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
OURS = [path for path in WORKFLOWS if path.stem != "ci"]
UNPINNED = "object_type: link\nlink_type: model\npath: lr.mlem\nproject: https://example.org/x\nrev: main\n"
VULNERABLE = """\
on: [pull_request]
defaults: {run: {shell: bash}}
jobs:
  j:
    steps:
      - run: echo "${{ github.head_ref }} ${{ github.event.pull_request.title }}"
"""


class World:
    """A source with the model `lr` at `v1`, a registry without links, and a person's clone of it."""

    def __init__(self, lab: Lab, http: Callable[..., Any]) -> None:
        self.lab = lab
        source = linked.make_source(lab)
        reg = lab.repo("reg")
        registry.init(reg.path, governed=True, package=".")
        reg.commit({"README.md": "a registry\n"})
        folder = linked.served(lab, source, reg)
        self.bare = Repo(lab, folder / "reg.git")
        self.host = Host(lab, http, self.bare)
        self.source = self.host.readable.replace("reg.git", "source.git")
        self.person = lab.clone(self.bare, "person")

    def link(self, name: str = "m") -> None:
        registry.link("lr", name, source_project=self.source, rev="v1", project=self.person.path)

    def branch(self, name: str, files: dict[str, bytes | str | None] | None = None) -> None:
        self.person.git("switch", "--quiet", "--create", name)
        self.commit(files)

    def commit(self, files: dict[str, bytes | str | None] | None = None) -> None:
        self.person.git("add", "--all")
        self.person.commit(files)

    def publish(self) -> None:
        """Merge the person's branch, as the host does."""
        self.person.git("push", "--quiet", "origin", "HEAD:main")

    def merged(self, name: str = "m") -> None:
        """A link that was merged and registered."""
        self.link(name)
        self.commit()
        self.publish()
        assert self.host.run("register", self.host.push()).passed


@pytest.fixture
def world(lab: Lab, http: Callable[..., Any]) -> World:
    return World(lab, http)


def test_a_good_pull_request_passes_and_once_merged_is_registered_and_tagged(world: World) -> None:
    world.link()
    world.branch("link-m")
    judged = world.host.run("check", world.host.pull_request(world.person, "link-m"))
    assert judged.passed, judged.errors
    assert "1 link checked, no findings" in judged.summary
    assert world.bare.tags() == {}
    world.publish()
    done = world.host.run("register", world.host.push())
    assert done.passed, done.errors
    assert list(world.bare.tags()) == ["m@v0.0.1"]
    assert world.bare.rev("m@v0.0.1^{commit}") == world.bare.rev("refs/heads/main")
    assert "registered m@v0.0.1" in done.summary
    assert "github-actions[bot]" in world.bare.git("cat-file", "tag", "m@v0.0.1")
    notes = world.host.notes.read_text()
    assert "-m pip install --requirement .github/requirements.txt" in notes
    assert "gh auth setup-git" in notes


def test_a_pull_request_shows_what_it_does_to_the_model_and_keeps_the_page(world: World) -> None:
    world.merged()
    world.branch("again", {"comparison.html": "a page of the pull request's own"})
    judged = world.host.run("check", world.host.pull_request(world.person, "again"))
    assert judged.passed, judged.errors
    page = world.host.artifacts / "comparison" / "comparison.html"
    assert not page.exists()
    world.commit(
        {
            ".mlem/links/m.mlem": linked.link_text(world.person) + "# reviewed again\n",
            "cards/m.md": "---\nlicense: mit\n---\n",
        }
    )
    judged = world.host.run("check", world.host.pull_request(world.person, "again"))
    assert judged.passed, judged.errors
    assert "### ⚖️ m: " in judged.summary
    assert "| card | card | - | there | added |" in judged.summary
    assert "default-src 'none'" in page.read_text()
    assert "<td>there</td>" in page.read_text()


def test_what_is_registered_is_not_registered_again_and_a_new_revision_gets_the_next_version(world: World) -> None:
    world.merged()
    again = world.host.run("register", world.host.push())
    assert again.passed
    assert "nothing to register" in again.log
    world.person.write({".mlem/links/m.mlem": linked.link_text(world.person) + "# reviewed again\n"})
    world.commit()
    world.publish()
    assert world.host.run("register", world.host.push()).passed
    assert sorted(world.bare.tags()) == ["m@v0.0.1", "m@v0.0.2"]


def test_a_run_that_is_repeated_late_registers_nothing_old(world: World) -> None:
    old = world.host.push()
    world.merged()
    before = world.bare.tags()
    assert world.host.run("register", old, (FOLDER / "register.yml").read_text()).passed
    assert world.bare.tags() == before


def test_a_cancelled_version_is_not_registered_again(world: World) -> None:
    world.merged()
    world.person.git("fetch", "--quiet", "--tags")
    world.person.registry("deregister", "m", "--version", "v0.0.1", "--push")
    assert world.host.run("register", world.host.push()).passed
    assert "m@v0.0.2" not in world.bare.tags()


def test_a_pull_request_without_a_pinned_revision_fails_and_says_where_and_what_to_do(world: World) -> None:
    world.branch("unpinned", {".mlem/links/m.mlem": UNPINNED})
    judged = world.host.run("check", world.host.pull_request(world.person, "unpinned"))
    assert not judged.passed
    (line,) = [line for line in judged.log.splitlines() if line.startswith("::error ")]
    assert "file=.mlem/links/m.mlem" in line
    assert "title=revision-pinned" in line
    assert "fix: " in line
    assert "error[revision-pinned] .mlem/links/m.mlem" in judged.summary


def test_a_pull_request_with_a_mismatched_interface_fails(world: World) -> None:
    contract = "methods: {score: {args: []}}\n"
    world.commit({"interfaces/m.yaml": contract})
    world.publish()
    world.link()
    world.branch("mismatch")
    judged = world.host.run("check", world.host.pull_request(world.person, "mismatch"))
    assert not judged.passed
    assert "title=interface-matches" in judged.log


def test_after_a_merge_a_link_that_fails_is_not_registered_and_others_are(world: World) -> None:
    world.link("good")
    world.commit({".mlem/links/bad.mlem": UNPINNED})
    world.publish()
    done = world.host.run("register", world.host.push())
    assert not done.passed
    assert list(world.bare.tags()) == ["good@v0.0.1"]


def test_only_the_default_branch_is_registered(world: World) -> None:
    world.link()
    world.branch("master")
    world.person.git("push", "--quiet", "origin", "master")
    assert world.host.run("register", world.host.push("master")).skipped
    assert world.bare.tags() == {}


def hostile(sentinel: Path) -> tuple[str, str]:
    """A branch and a title that are programs where somebody pastes them into a shell."""
    branch = f'x";touch${{IFS}}"{sentinel}";$(touch${{IFS}}{sentinel})`touch${{IFS}}{sentinel}`#'
    return branch, f'"; touch {sentinel}; echo "$(touch {sentinel})\n::set-output name=x::y'


def test_a_fork_with_hostile_branch_title_and_file_names_does_no_harm(world: World) -> None:
    sentinel = world.lab.root / "pwned"
    branch, title = hostile(sentinel)
    fork = world.lab.clone(world.bare, "fork")
    fork.git("checkout", "--quiet", "-b", branch)
    name = f".mlem/links/a\n::add-mask::x$(touch {sentinel.name}).mlem"
    fork.commit({name: UNPINNED, "interfaces/$(touch pwned).yaml": "~~~\n::stop-commands::x\n"}, message=title)
    event = world.host.pull_request(fork, branch, title)
    judged = world.host.run("check", event)
    assert not judged.passed
    assert judged.after["comment"].skipped
    assert not list(world.lab.root.rglob("pwned"))
    commands = [line for line in judged.log.splitlines() if line.startswith("::")]
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in commands)
    assert world.bare.tags() == {}
    control = world.host.run("check", event, VULNERABLE)
    assert control.log
    assert sentinel.exists(), "the runner would not have seen an injection"


def test_a_pull_request_that_replaces_its_own_judge_gains_no_right_to_push(world: World) -> None:
    world.branch("evil", {"scripts/check.py": "import os\nos.system('git push origin HEAD:refs/tags/x')\n"})
    judged = world.host.run("check", world.host.pull_request(world.person, "evil"))
    assert "403" in judged.errors
    assert world.bare.tags() == {}


def test_a_pull_request_that_replaces_its_own_judge_is_judged_again_once_merged(world: World) -> None:
    world.branch("sly", {"scripts/check.py": "", ".mlem/links/m.mlem": UNPINNED})
    assert world.host.run("check", world.host.pull_request(world.person, "sly")).passed
    world.publish()
    assert not world.host.run("register", world.host.push()).passed
    assert world.bare.tags() == {}


def test_promote_assigns_in_the_name_of_who_asked(world: World) -> None:
    world.merged()
    inputs = {"model": "m", "version": "v0.0.1", "stage": "prod"}
    done = world.host.run("promote", world.host.dispatch(inputs))
    assert done.passed, done.errors
    assert world.lab.registry("which", "m", "prod", "-r", world.host.readable).stdout == "v0.0.1\n"
    assert "tagger dana <1+dana@users.noreply.github.com>" in world.bare.git("cat-file", "tag", "m#prod#1")


def test_promote_signs_with_the_workflow_s_own_key_where_the_policy_asks_for_it(world: World) -> None:
    world.merged()
    robot = key("ed25519", "robot")
    policy = "format: 1\nversion: 2\nroles: {ci: [robot@example.org]}\nstages: {prod: {assign: [ci]}}\n"
    world.commit({"policy.yaml": policy, "allowed_signers": f"robot@example.org {robot.public}\n"})
    world.publish()
    inputs = {"model": "m", "version": "v0.0.1", "stage": "prod"}
    with receiver() as hook:
        channel = f"notify: [{{webhook: '{hook.url}/x', secret: REGISTRY_WEBHOOK_SECRET, on: [refused]}}]\n"
        world.commit({"policy.yaml": policy.replace("version: 2", "version: 3") + channel})
        world.publish()
        world.host.secrets = {"REGISTRY_WEBHOOK_SECRET": "a-secret"}
        refused = world.host.run("promote", world.host.dispatch(inputs))
    assert not refused.passed
    assert "role-needed" in refused.errors
    assert "REGISTRY_WEBHOOK_SECRET" not in refused.errors, "the step that assigns has no secret and tells nobody"
    (told,) = [json.loads(post.body) for post in hook.posts]
    assert (told["event"], told["version"], told["stage"]) == ("refused", "v0.0.1", "prod")
    assert told["reasons"][0].startswith("role-needed: ")
    assert isinstance(robot.private, Path)
    world.host.secrets = {"REGISTRY_SIGNING_KEY": robot.private.read_text()}
    world.host.vars = {"REGISTRY_SIGNER": "robot@example.org"}
    done = world.host.run("promote", world.host.dispatch(inputs))
    assert done.passed, done.errors
    tag = world.bare.git("cat-file", "tag", "m#prod#1")
    assert "tagger dana <robot@example.org>" in tag
    assert "BEGIN SSH SIGNATURE" in tag


def test_register_and_promote_tell_the_channels_and_pass_whoever_cannot_be_told(world: World) -> None:
    with receiver() as hook:
        channels = f"[{{webhook: '{hook.url}/x', secret: REGISTRY_WEBHOOK_SECRET}}, {{slack: SLACK_WEBHOOK_URL}}]"
        world.commit({"policy.yaml": f"format: 1\nversion: 1\nnotify: {channels}\n"})
        world.host.secrets = {"REGISTRY_WEBHOOK_SECRET": "a-secret", "SLACK_WEBHOOK_URL": "https://[::1/T0SECRET"}
        world.link("bad")
        world.commit({".mlem/links/bad.mlem": UNPINNED})
        world.link()
        world.commit()
        world.publish()
        assert not world.host.run("register", world.host.push()).passed  # for `bad`, whose failure silences nobody
        inputs = {"model": "m", "version": "v0.0.1", "stage": "prod"}
        promoted = world.host.run("promote", world.host.dispatch(inputs))
    assert promoted.passed
    told = [json.loads(post.body) for post in hook.posts]
    assert [(each["event"], each["tag"]) for each in told] == [("register", "m@v0.0.1"), ("assign", "m#prod#1")]
    assert told[1]["actor"] == "dana"
    assert "not sent to SLACK_WEBHOOK_URL: m v0.0.1: assigned in prod" in promoted.errors
    assert "T0SECRET" not in promoted.errors + promoted.log


def test_promote_runs_nothing_that_is_typed_into_its_form_and_not_from_another_branch(world: World) -> None:
    world.merged()
    before = world.bare.tags()
    sentinel = world.lab.root / "pwned"
    word = f'$(touch {sentinel})"; touch {sentinel}; "'
    good = {"model": "m", "version": "v0.0.1", "stage": "prod"}
    for wrong in ({"model": word}, {"model": "--force"}, {"version": word}, {"version": "v9.9.9"}, {"stage": word}):
        assert not world.host.run("promote", world.host.dispatch({**good, **wrong})).passed
    world.person.git("push", "--quiet", "origin", "HEAD:refs/heads/other")
    assert world.host.run("promote", world.host.dispatch(good, "other")).skipped
    assert world.bare.tags() == before
    assert not sentinel.exists()


def test_verify_tags_reads_all_tags_and_fails_for_a_pushed_one_that_is_skipped(world: World) -> None:
    world.merged()
    assert world.host.run("verify-tags", world.host.schedule()).passed
    world.bare.lightweight("m#prod#1", "refs/heads/main")
    seen = world.host.run("verify-tags", world.host.schedule())
    assert seen.passed
    assert "::warning title=tag-lightweight%3A m::tag 'm#prod#1' is skipped" in seen.log
    assert not world.host.run("verify-tags", world.host.dispatch({"tag": "m#prod#1"})).passed


def test_audit_keeps_one_issue_and_closes_it(world: World) -> None:
    world.merged()
    calls: list[list[str]] = []

    def audit() -> str:
        world.host.notes.write_text("")
        assert world.host.run("audit", world.host.dispatch()).passed
        said = [line for line in world.host.notes.read_text().splitlines() if line.startswith("gh issue")]
        calls.append([line for line in said if "the week" not in line and "edit 8" not in line])
        return "".join(calls[-1][1:])

    issue = Path(f"{world.host.notes}.issue")
    assert audit() == ""
    world.bare.lightweight("m#prod#1", "refs/heads/main")
    assert audit().startswith("gh issue create --title Registry audit: findings")
    assert "warning[tag-lightweight] m#prod#1" in issue.read_text()
    kept = world.host.artifacts / "findings"
    assert (kept / "findings.md").read_text() == issue.read_text()
    assert [each["ref"] for each in json.loads((kept / "findings.json").read_text())] == ["m#prod#1"]
    week = Path(f"{world.host.notes}.week").read_text()
    assert week == (kept / "report.md").read_text()
    assert "Attempts that nobody accepted" in week
    assert "tag-lightweight" in week
    assert [each["tag"] for each in json.loads((kept / "report.json").read_text())["attempts"]] == ["m#prod#1"]
    assert (kept / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert audit().startswith("gh issue edit 7")
    world.bare.git("tag", "--delete", "m#prod#1")
    assert audit().startswith("gh issue close 7")
    assert not issue.exists()


def test_an_audit_that_could_not_read_the_registry_fails_and_is_no_reason_to_close_the_issue(world: World) -> None:
    world.merged()
    world.bare.lightweight("m#prod#1", "refs/heads/main")
    assert world.host.run("audit", world.host.dispatch()).passed
    text = (
        (FOLDER / "audit.yml").read_text().replace("python scripts/audit.py", "rm -rf .git && python scripts/audit.py")
    )
    assert not world.host.run("audit", world.host.dispatch(), text).passed
    assert Path(f"{world.host.notes}.issue").exists()
    assert not list((world.host.artifacts / "findings").iterdir())


HOSTILE = "<img src=x onerror=alert(1)>|@team [x](javascript:1) ![x](y) #1 www.evil.example `a` **b** <!-- c"
MARK = "<!-- git-model-registry: check -->"


def comments(world: World) -> list[tuple[str, str]]:
    """Who said what in the pull request."""
    kept = Path(f"{world.host.notes}.comments")
    return [(each["user"]["login"], each["body"]) for each in json.loads(kept.read_text())] if kept.exists() else []


def injected(text: str) -> list[str]:
    """What a reader of a comment would be shown as markup that is not ours, or what would call somebody."""
    from markdown_it import MarkdownIt

    first, _, rest = text.partition("\n")
    assert first == MARK
    tokens = [
        child
        for each in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(rest)
        for child in (each, *(each.children or ()))
    ]
    kinds = {
        "html_block",
        "html_inline",
        "image",
        "link_open",
        "code_inline",
        "fence",
        "code_block",
        "strong_open",
        "em_open",
    }
    ours = "https://github.example/mycompany/reg/actions/runs/17"
    found = [each.type for each in tokens if each.type in kinds and each.attrs.get("href") != ours]
    shown = "\n".join(each.content for each in tokens if each.type == "text")
    return found + re.findall(r"@\w|(?<!\w)#\d|www\.\w|://", shown)


@pytest.mark.skipif(which("jq") is None, reason="jq stands in for the one in gh")
def test_the_author_reads_findings_and_comparison_in_one_comment_that_is_updated(world: World) -> None:
    world.merged()
    somebody = [
        pull_comments.comment(1, "mallory", f"{MARK}\nlooks good"),
        pull_comments.comment(2, pull_comments.BOT, "other"),
    ]
    Path(f"{world.host.notes}.comments").write_text(json.dumps(somebody))
    hostile = {
        f".mlem/links/{HOSTILE}.mlem": UNPINNED,
        ".mlem/links/bad.mlem": UNPINNED.replace("main", json.dumps(HOSTILE)).replace("lr.mlem", json.dumps(HOSTILE)),
        ".mlem/links/m.mlem": linked.link_text(world.person) + "# reviewed again\n",
        "cards/m.md": f"---\nlicense: {json.dumps(HOSTILE)}\n---\n# {HOSTILE}\n",
        "comment.md": "of the pull request's own",
    }
    world.branch("again", hostile)
    judged = world.host.run("check", world.host.pull_request(world.person, "again", of="mycompany/reg"))
    assert not judged.passed
    assert judged.after["comment"].passed, judged.after["comment"].errors
    *others, (author, body) = comments(world)
    assert others == [("mallory", f"{MARK}\nlooks good"), (pull_comments.BOT, "other")]
    assert author == pull_comments.BOT
    assert "### ❌ " in body
    assert "| revision-pinned | .mlem/links/bad.mlem:" in body
    assert "### ⚖️ m: " in body, judged.errors
    assert f"Of {world.person.rev('HEAD')}, by [this run]" in body
    assert "img src" in body
    assert injected(body) == []
    assert len(injected(f"{MARK}\n{HOSTILE}")) > 5, "the judge of markup would not have seen an injection"
    rows = [line for line in body.splitlines() if line.startswith("| ❌")]
    assert rows
    assert {row.count("|") for row in rows} == {6}
    world.commit(dict.fromkeys([f".mlem/links/{HOSTILE}.mlem", ".mlem/links/bad.mlem"]))
    again = world.host.run("check", world.host.pull_request(world.person, "again", of="mycompany/reg"))
    assert again.passed, again.errors
    assert len(comments(world)) == 3
    assert "### ✅ 1 link checked, no findings" in comments(world)[-1][1]


@pytest.mark.skipif(which("jq") is None, reason="jq stands in for the one in gh")
def test_a_comment_is_cut_to_what_github_takes_and_says_where_nothing_was_judged_or_it_is_switched_off(
    world: World,
) -> None:
    world.branch("any", {"README.md": "altered\n"})
    event = world.host.pull_request(world.person, "any", of="mycompany/reg")
    text = (FOLDER / "check.yml").read_text()

    def judged(program: str) -> str:
        done = world.host.run("check", event, text.replace("python scripts/check.py", program)).after["comment"]
        assert done.passed, done.errors
        return "" if done.skipped else comments(world)[-1][1]

    long = judged("yes '| ❌ a row |' | head -n 20000 > comment.md")
    assert 64_000 < len(long) <= pull_comments.LONGEST
    assert "\n| ❌ a row |\n\n… cut: " in long
    assert "\n### ❌ The check ended before it judged" in judged("exit 1")
    assert len(comments(world)) == 1
    world.host.vars = {"REGISTRY_COMMENT": "off"}
    assert judged("echo x > comment.md") == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_least_rights_and_nothing_that_moves(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    assert "pull_request_target" not in workflow[True]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        assert job["permissions"]
        for step in job["steps"]:
            if "uses" in step:
                name, _, pin = step["uses"].partition("@")
                assert len(pin) == 40, f"{name} is not pinned"
                assert name != "actions/checkout" or step["with"]["persist-credentials"] is False
            else:
                assert not EXPRESSION.search(step["run"]), "values from outside go through env"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_only_what_nobody_outside_can_start_may_write(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    if "pull_request" not in workflow[True]:
        return
    assert "secrets." not in path.read_text()
    for job in workflow["jobs"].values():
        if set(job["permissions"].values()) == {"read"}:
            continue
        assert job["permissions"] == {"pull-requests": "write"}
        assert "github.event.pull_request.head.repo.full_name == github.repository &&" in job["if"]
        assert [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step] == [DOWNLOAD]
        (program,) = [step["run"] for step in job["steps"] if "run" in step]
        assert set(re.findall(r"^ *(?:\w+=\$\()?(\w+)", program, re.MULTILINE)) <= {
            *("text", "if", "fi", "else", "printf", "found", "gh", "github", "tr"),
        }, "no program of the repository"


def test_the_guide_s_commands_send_json_and_name_the_check_that_exists() -> None:
    text = (ROOT / "docs" / "github.md").read_text().replace("$TEAM_ID", "1")
    bodies = [json.loads(body) for body in re.findall(r"<<'?JSON'?\n(.*?)\nJSON\n", text, re.DOTALL)]
    branch, tags, _environment, _recorder = bodies
    (required,) = [rule for rule in branch["rules"] if rule["type"] == "required_status_checks"]
    jobs = yaml.safe_load((FOLDER / "check.yml").read_text())["jobs"]
    assert [each["context"] for each in required["parameters"]["required_status_checks"]] == [
        job["name"] for job in jobs.values() if "needs" not in job
    ]
    assert tags["conditions"]["ref_name"]["include"] == [f"refs/tags/{x}" for x in ("**/*@*", "**/*#*", "**/*#*/**/*")]
    assert all(f"`{path.name}`" in text for path in OURS)


def test_the_pre_commit_hook_is_a_command_of_ours() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"].split()[:2] == ["registry", "check"]
    matching = [".mlem/links/team/m.mlem", ".mlem/link/m.mlem.yaml", "interfaces/m.yaml", "old/m.mlem"]
    assert all(re.search(hook["files"], path) for path in matching)
    assert not re.search(hook["files"], "README.md")


def test_zizmor_finds_nothing(lab: Lab) -> None:
    done = lab.run(script("zizmor"), "--offline", "--no-progress", str(ROOT / ".github"), check=False)
    assert done.code == 0, done.stdout


def test_zizmor_would_find_something(lab: Lab) -> None:
    path = lab.root / ".github" / "workflows" / "bad.yml"
    path.parent.mkdir(parents=True)
    path.write_text(VULNERABLE.replace("steps:", "runs-on: ubuntu-24.04\n    steps:"))
    assert lab.run(script("zizmor"), "--offline", "--no-progress", str(path), check=False).code != 0


def test_the_workflows_are_in_github_s_schema(lab: Lab) -> None:
    program = script("check-jsonschema")
    lab.run(program, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    lab.run(program, "--builtin-schema", "vendor.dependabot", str(ROOT / ".github" / "dependabot.yml"))
