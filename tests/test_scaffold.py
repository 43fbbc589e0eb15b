"""`init`: what it writes, what it leaves alone, and that this repository lives by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from governed import acts, sign_tag
from lab import ROOT, Lab
from linked import files_below
from signing_keys import key

import registry
from registry.api import scaffold
from registry.api.checking import catalogue
from registry.api.project import open_project
from registry.api.rules import read_rules
from registry.api.signatures import read_signers
from registry.errors import RegistryError
from registry.policy import SIZE_LIMIT, parse_policy
from registry.policygates import Formats
from registry.signing.allowed_signers import parse


def test_this_repository_s_own_files_are_what_init_writes(tmp_path: Path, lab: Lab) -> None:
    folder = tmp_path / "reg"
    for path in registry.init(folder, governed=True, package="."):
        name = path.relative_to(folder)
        assert path.read_bytes() == (ROOT / name).read_bytes(), f"{name} differs from its template"


def test_init_writes_the_gate_and_governed_all_of_it(lab: Lab) -> None:
    folder = lab.root / "reg"
    assert [str(path.relative_to(folder)) for path in registry.init(folder)] == [*scaffold.BASIC]
    assert [str(path.relative_to(folder)) for path in registry.init(folder, governed=True)] == [*scaffold.GOVERNED]
    assert registry.init(folder, governed=True) == []


def test_a_fresh_scaffold_has_no_finding_and_its_policy_is_obeyed(lab: Lab) -> None:
    reg = lab.repo("reg")
    registry.init(reg.path, governed=True)
    assert registry.check(reg.path).findings == []
    reg.commit({"README.md": "a registry\n"})
    assert registry.check(reg.path).findings == []
    assert registry.verify(reg.path).findings == []
    policy = parse_policy((reg.path / "policy.yaml").read_bytes())
    assert policy.unknown == ()
    assert set(policy.checks) <= set(catalogue())
    assert (policy.formats, policy.size_limit, policy.trusted_sources) == (Formats(), SIZE_LIMIT, None)


def test_in_the_first_pull_request_the_governance_files_warn_and_in_the_next_the_policy_must_grow(lab: Lab) -> None:
    reg = lab.repo("reg")
    base = reg.commit({"README.md": "a registry\n"})
    written = [str(each.relative_to(reg.path)) for each in registry.init(reg.path, governed=True)]
    reg.git("add", "--all")
    reg.commit(message="govern")
    first = registry.check(reg.path, base=base)
    assert first.passed
    assert {each.id for each in first.findings} == {"governance-files"}
    assert {each.path for each in first.findings} == {each for each in written if not each.startswith(".mlem/")}
    text = (reg.path / "policy.yaml").read_text()
    reg.commit({"policy.yaml": text.replace("pickle: pinned", "pickle: never")})
    second = registry.check(reg.path, base="HEAD~1")
    assert [(each.id, each.severity) for each in second.findings] == [
        ("policy-valid", "error"),
        ("governance-files", "warning"),
    ]


def test_the_signers_file_begins_with_what_a_line_is_and_counts_as_none_while_it_names_nobody(lab: Lab) -> None:
    reg = lab.repo("reg")
    registry.init(reg.path, governed=True)
    path = reg.path / "allowed_signers"
    reg.git("add", "--all")
    reg.commit(message="govern")
    sign_tag(acts(reg, "mallory"), "m@v1.0.0", "Registering\n\nVersion: v1.0.0\n")
    project = open_project(reg.path)
    assert read_signers(project) is None
    assert read_rules(project).signers is None
    assert registry.verify(reg.path).findings == [], "a key that nobody listed is no finding where nobody is listed"
    assert lab.registry("signers", "list", cwd=reg.path).stdout == "nobody may sign\n"
    example = path.read_text().splitlines()[-1].removeprefix("#")
    reg.commit(
        {"allowed_signers": path.read_text() + example.replace("ssh-ed25519 AAAA...", key("ed25519", "dana").public)}
    )
    (signer,) = parse((reg.path / "allowed_signers").read_bytes()).signers
    assert (signer.principals, signer.namespaces, signer.comment) == ("dana@mycompany.example", "git", "dana's laptop")
    assert {each.id for each in registry.verify(reg.path).findings} == {"signature-unknown"}
    owned = lab.root / "owned"
    registry.init(owned, governed=True, owners=["@acme/ml"])
    assert "\nallowed_signers @acme/ml\n" in (owned / scaffold.OWNERS).read_text()


def test_init_overwrites_nothing(lab: Lab) -> None:
    repo = lab.repo("reg")
    repo.write(dict.fromkeys((*scaffold.BASIC[1:], *scaffold.GOVERNED), "mine\n"))
    before = files_below(repo.path)
    assert [path.name for path in registry.init(repo.path, governed=True)] == ["config.yaml"]
    assert before.items() <= files_below(repo.path).items()


def test_init_writes_through_no_symlink(lab: Lab) -> None:
    repo = lab.repo("reg")
    (lab.root / "elsewhere").mkdir()
    (repo.path / ".github").symlink_to(lab.root / "elsewhere")
    with pytest.raises(RegistryError, match="symlink"):
        registry.init(repo.path)
    assert not list((lab.root / "elsewhere").iterdir())
    assert not (repo.path / ".mlem").exists()


def test_the_package_and_the_owners_are_written_where_they_are_named(lab: Lab) -> None:
    folder = lab.root / "reg"
    wanted = "git-model-registry @ git+https://git.example.org/x@" + "a" * 40
    registry.init(folder, governed=True, package=wanted, owners=["@acme/ml", "dana@example.org"])
    assert (folder / scaffold.PACKAGE).read_text().splitlines()[1:] == [wanted]
    owned = (folder / scaffold.OWNERS).read_text().splitlines()
    assert ".github/ @acme/ml dana@example.org" in owned
    assert not [line for line in owned if "OWNERS" in line and not line.startswith("# ")]


@pytest.mark.parametrize(
    "options",
    [
        {"owners": ["@acme/ml"]},
        {"governed": True, "owners": [""]},
        {"governed": True, "owners": ["@a", "* @evil"]},
        {"governed": True, "owners": [r"@a\1"]},
        {"governed": True, "owners": "@acme"},
        {"package": "a\n--index-url=https://example.org"},
        {"package": " "},
        {"package": "# nothing"},
    ],
)
def test_what_is_no_owner_or_requirement_is_refused_before_anything_is_made(lab: Lab, options: dict[str, Any]) -> None:
    folder = lab.root / "reg"
    with pytest.raises(RegistryError):
        registry.init(folder, **options)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"url": "https://git.example.org/r", "vcs_info": {"vcs": "git", "commit_id": "b" * 40}},
         f"git-model-registry[http] @ git+https://git.example.org/r@{'b' * 40}\n"),
        ({"url": "https://me:secret@git.example.org/r", "vcs_info": {"vcs": "git", "commit_id": "b" * 40}}, ""),
        ({"url": "https://git.example.org/r", "vcs_info": {"vcs": "git", "commit_id": "main"}}, ""),
        ({"url": "file:///somewhere", "dir_info": {"editable": True}}, ""),
        (None, ""),
    ],
)  # fmt: skip
def test_the_workflows_install_the_commit_this_package_came_from_where_pip_recorded_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, record: object, line: str
) -> None:
    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if record is None else json.dumps(record)

    monkeypatch.setattr("importlib.metadata.distribution", lambda _: Distribution())
    folder = lab.root / "reg"
    registry.init(folder)
    assert (folder / scaffold.PACKAGE).read_text().partition("\n")[2] == line
    assert scaffold.installs_nothing(folder) is (line == "")


def test_the_command_says_what_is_left_to_name(lab: Lab) -> None:
    folder = lab.root / "reg"
    said = lab.registry("init", "--governed", str(folder)).stdout
    assert said.splitlines()[-1].startswith("Nobody owns the gate yet, since .github/CODEOWNERS names no one")
    assert all(line.startswith("#") for line in (folder / scaffold.OWNERS).read_text().splitlines())
    again = lab.registry("init", "--governed", "--owner=@acme/ml", str(folder)).stdout
    assert ".github/CODEOWNERS was there and is kept: write @acme/ml into it yourself" in again
    owners = ("--owner=@acme/ml", "--owner", "@acme/ops")
    said = lab.registry("init", "--governed", *owners, str(lab.root / "a")).stdout
    assert "owns" not in said
    assert "\npolicy.yaml @acme/ml @acme/ops\n" in (lab.root / "a" / scaffold.OWNERS).read_text()
    whole = lab.registry("init", "--governed", "--package=.", *owners, str(lab.root / "b"), "--json").json
    assert len(whole) == len(scaffold.BASIC) + len(scaffold.GOVERNED)
    said = lab.registry("init", "--package=.", str(lab.root / "c")).stdout
    assert "Name in" not in said
