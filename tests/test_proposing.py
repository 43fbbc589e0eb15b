"""`link --pull-request`: a branch on a real HTTP remote, and nothing changed in what a person has checked out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import linked
import pytest
from lab import Lab, Ran, Repo
from linked import files_below, make_registry, make_source

import registry
from registry.errors import GitError, RegistryError

GH = """\
#!/bin/sh
echo "$*" >> "{log}"
case "$1 $2" in
  "auth status") exit {auth} ;;
  "pr list") cat "{log}.open" 2>/dev/null; exit 0 ;;
  "pr create") echo https://github.com/acme/reg/pull/1 | tee "{log}.open" ;;
esac
"""


@dataclass
class World:
    lab: Lab
    bare: Repo
    person: Repo
    source: Repo
    served: Repo
    url: str

    def propose(self, *words: str, name: str = "m", rev: str = "v1", **options: Any) -> Ran:
        line = ("link", "--source-project", self.url, "--rev", rev, "lr", name, "--pull-request", *words)
        return self.person.registry(*line, **options)

    def gh(self, auth: int = 0) -> dict[str, str | None]:
        """A stand-in for `gh`, which cannot sign in here."""
        folder = self.lab.root / "gh"
        folder.mkdir(exist_ok=True)
        (folder / "gh").write_text(GH.format(log=folder / "log", auth=auth))
        (folder / "gh").chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def world(lab: Lab, http: Callable[..., Any]) -> World:
    source, reg = make_source(lab), make_registry(lab)
    folder = linked.served(lab, source, reg)
    url = http(folder).url
    person = lab.clone(f"{url}/reg.git", "person")
    served = Repo(lab, folder / "source.git")
    return World(lab, Repo(lab, folder / "reg.git"), person, source, served, f"{url}/source.git")


def test_the_link_stands_on_a_branch_and_what_is_checked_out_stays_as_it_is(world: World) -> None:
    world.person.write({"README.md": "being edited\n", "new.txt": "untracked\n"})
    world.person.git("add", "new.txt")
    before, status = files_below(world.person.path / ".mlem"), world.person.git("status", "--porcelain", "--branch")
    done = world.propose()
    assert "pushed .mlem/links/m.mlem, .mlem/lineage/m.json on branch link/m" in done.stdout
    assert "open a pull request of link/m into main on your git host" in done.stdout
    assert files_below(world.person.path / ".mlem") == before
    assert world.person.git("status", "--porcelain", "--branch") == status
    assert world.person.git("branch", "--list", "--format=%(refname:short)") == "main"
    assert world.person.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert world.bare.git("diff", "--name-only", "main", "link/m") == ".mlem/lineage/m.json\n.mlem/links/m.mlem"
    assert world.bare.git("log", "--format=%an: %s", "-1", "link/m") == "Dana: Link m v1"
    work = world.lab.clone(world.bare, "", "--branch", "link/m")
    assert registry.check(work.path).findings == []


def test_done_twice_nothing_is_pushed_and_a_new_revision_is_added_to_the_same_branch(world: World) -> None:
    world.propose()
    first = world.bare.rev("link/m")
    assert world.propose("--json").json["pushed"] is False
    assert world.bare.rev("link/m") == first
    world.source.commit(linked.saved(2.0))
    world.source.tag("v2")
    world.source.git("push", "--quiet", str(world.served.path), "main", "v2")
    assert world.propose("--json", rev="v2").json["pushed"] is True
    assert world.bare.rev("link/m^") == first
    assert "rev: v2" in world.bare.git("cat-file", "blob", "link/m:.mlem/links/m.mlem")


@pytest.mark.parametrize("squash", [False, True])
def test_after_a_merge_the_branch_begins_anew(world: World, squash: bool) -> None:
    world.propose()
    work = world.lab.clone(world.bare)
    work.git("merge", "--quiet", *(["--squash"] if squash else ["--no-ff", "--no-edit"]), "origin/link/m")
    work.git("commit", "--quiet", "--allow-empty", "--message", "merged")
    work.git("push", "--quiet", "origin", "main")
    world.source.tag("v2")
    world.source.git("push", "--quiet", str(world.served.path), "v2")
    world.propose(rev="v2")
    assert world.bare.rev("link/m^") == world.bare.rev("main")


def test_artifacts_one_of_which_is_the_other_s_folder_have_a_branch_each(world: World) -> None:
    for name in ("team", "team/cost", "team-cost"):
        world.propose(name=name)
    assert {"link/team", "link/team+cost", "link/team-cost"} <= set(
        world.bare.git("branch", "--format=%(refname:short)").splitlines()
    )


def test_card_and_lineage_go_along_where_they_are_new_and_nothing_else_does(world: World) -> None:
    about = {"cards/m.md": "# m\n", ".mlem/lineage/m.json": "{}\n"}
    others = {"cards/other.md": "# other\n", "README.md": "being edited\n", "policy.yaml": "format: 1\nversion: 1\n"}
    world.person.write({**about, **others})
    status = world.person.git("status", "--porcelain", "-uall")
    env = world.gh()
    done = world.propose("--json", env=env).json
    assert done["files"] == [".mlem/links/m.mlem", *about]
    assert set(world.bare.git("diff", "--name-only", "main", "link/m").splitlines()) == {".mlem/links/m.mlem", *about}
    assert world.bare.git("rev-list", "--count", "main..link/m") == "1"
    assert world.bare.git("cat-file", "blob", "link/m:cards/m.md") == "# m"
    assert world.person.git("status", "--porcelain", "-uall") == status
    log = (world.lab.root / "gh" / "log").read_text()
    assert "\nCard: cards/m.md\nLineage: .mlem/lineage/m.json\n" in log
    assert "\nCard: cards/m.md\n" in world.bare.git("log", "-1", "--format=%B", "link/m")
    assert world.propose("--json").json["pushed"] is False


def test_a_card_that_is_altered_goes_along_and_one_that_is_merely_behind_does_not(world: World) -> None:
    world.person.commit({"cards/m.md": "# m\n", ".mlem/lineage/m.json": "{}\n"})
    world.person.git("push", "--quiet", "origin", "main")
    world.lab.clone(world.bare, "colleague")
    colleague = Repo(world.lab, world.lab.root / "colleague")
    colleague.commit({".mlem/lineage/m.json": '{"newer": true}\n'})
    colleague.git("push", "--quiet", "origin", "main")
    assert world.propose("--json", "--no-lineage").json["files"] == [".mlem/links/m.mlem"]
    world.person.write({"cards/m.md": "# m, better\n"})
    assert world.propose("--json", "--no-lineage").json["files"] == [".mlem/links/m.mlem", "cards/m.md"]
    assert world.bare.git("cat-file", "blob", "link/m:.mlem/lineage/m.json") == '{"newer": true}'
    colleague.commit({"cards/m.md": "# m, otherwise\n"})
    colleague.git("push", "--quiet", "origin", "main")
    done = world.propose(check=False)
    assert done.code == 1
    assert "cards/m.md was altered here and on the default branch too" in done.stderr


def test_a_card_with_a_credential_or_behind_a_symlink_is_not_pushed(world: World) -> None:
    card = world.person.path / "cards" / "m.md"
    world.person.write({"cards/m.md": "https://dana:hunter2hunter2@example.org\n", "secret": "x\n"})
    done = world.propose(check=False)
    assert "refused (secrets)" in done.stderr
    assert "hunter2" not in done.stderr
    card.unlink()
    card.symlink_to(world.person.path / "secret")
    assert "refused (path-contained)" in world.propose(check=False).stderr
    assert world.bare.git("branch", "--format=%(refname:short)") == "main"


def test_gh_opens_the_pull_request_once(world: World) -> None:
    env = world.gh()
    assert "pull request: https://github.com/acme/reg/pull/1" in world.propose(env=env).stdout
    assert world.propose("--json", env=env).json["pull_request"] == "https://github.com/acme/reg/pull/1"
    log = (world.lab.root / "gh" / "log").read_text()
    assert log.count("pr create --head=link/m --base=main --title=Link m v1 --body=Source: ") == 1


def test_where_gh_is_not_signed_in_the_host_s_page_is_told(world: World) -> None:
    env = world.gh(auth=1)
    fetch = world.person.git("remote", "get-url", "origin")
    world.person.git("remote", "set-url", "origin", "https://github.com/acme/reg.git")
    world.person.git("config", f"url.{fetch}.insteadOf", "https://github.com/acme/reg.git")
    said = world.propose(env=env).stdout
    assert "`gh` is not signed in; open the pull request here:" in said
    assert "https://github.com/acme/reg/compare/main...link%2Fm?expand=1" in said


def test_a_refused_link_pushes_nothing(world: World) -> None:
    done = world.propose(rev="v9", check=False)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert world.bare.git("branch", "--format=%(refname:short)") == "main"
    assert world.person.git("worktree", "list", "--porcelain").count("worktree ") == 1


def test_a_server_that_takes_no_push_is_told_in_its_words(world: World, http: Callable[..., Any]) -> None:
    closed = http(world.bare.path.parent, pushes=False).url
    world.person.git("remote", "set-url", "origin", f"{closed}/reg.git")
    done = world.propose(check=False)
    assert done.code == 1
    assert done.stderr.startswith("error: git push failed: ")
    assert "403" in done.stderr


def test_a_hook_of_the_person_is_run_and_may_say_no(world: World) -> None:
    hook = world.person.path / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    done = world.propose(check=False)
    assert done.code == 1
    assert "not today" in done.stderr
    assert world.bare.git("branch", "--format=%(refname:short)") == "main"


def test_a_clone_without_a_remote_and_a_misleading_environment_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def propose() -> None:
        registry.propose("lr", "m", source_project=world.url, rev="v1", project=world.person.path)

    monkeypatch.setenv("GIT_INDEX_FILE", "x")
    with pytest.raises(RegistryError, match="GIT_INDEX_FILE is set"):
        propose()
    monkeypatch.delenv("GIT_INDEX_FILE")
    world.person.git("remote", "set-url", "origin", world.url.replace("source.git", "gone.git"))
    with pytest.raises(GitError, match="ls-remote failed"):
        propose()
    world.person.git("remote", "remove", "origin")
    with pytest.raises(RegistryError, match="no remote 'origin'"):
        propose()


def test_without_gitpython_the_extra_is_named(world: World) -> None:
    program = (
        "import sys; sys.modules['git'] = None\n"
        "from registry.cli import main\n"
        f"sys.exit(main(['link', '--source-project', {world.url!r}, '--rev', 'v1', 'lr', 'm', '--pull-request']))"
    )
    done = world.person.run(sys.executable, "-c", program, check=False)
    assert done.code == 1
    assert "pip install 'git-model-registry[gto]'" in done.stderr
