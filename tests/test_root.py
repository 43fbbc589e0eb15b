"""The root of trust: whose signatures a changed policy needs, on a machine that saw it, that was told, or by a lock."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from attacked import PEOPLE, change_policy, key_of, make_governed, policy, sign_tag, signers
from git_http import GitServer
from lab import Lab, Repo
from test_attacks import held, published, push

import registry
from registry.errors import Refused, RegistryError
from registry.lockfile import parse_lock

Http = Callable[..., GitServer]
ROOT = "root: {threshold: 2, principals: [eve@example.org, dana@example.org]}\n"
EVE, BO = (f"root: {{principals: [{PEOPLE[who]}]}}\n" for who in ("eve", "bo"))


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_governed(lab)


def weaker(version: int, more: str) -> str:
    """A policy by which Dana may put into prod what she made."""
    return policy(version, more).replace("prod: {after: [staging], assign: [release]", "prod: {assign: [science]")


def test_a_policy_that_its_root_did_not_sign(lab: Lab, http: Http, reg: Repo) -> None:
    change_policy(reg, policy(2, ROOT))
    url = published(lab, http, reg)
    assert held(url) == "v1.0.0"
    change_policy(reg, weaker(3, ROOT))
    sign_tag(reg, "m#prod#5", "dana", "m@v2.0.0^{commit}", "Version: v2.0.0")
    for who, tag in (("", ""), ("eve", "policy/3/1"), ("bo", "policy/3/2"), ("eve", "policy/3/4")):
        if who:
            sign_tag(reg, tag, who)
        push(lab, reg)
        with pytest.raises(Refused, match="policy-unsigned") as caught:
            registry.resolve("m", stage="prod", project=url)
        assert caught.value.fix
    sign_tag(reg, "policy/3/3", "dana")
    push(lab, reg)
    assert held(url) == "v2.0.0", "both principals of the root signed these very files"
    reg.commit({"allowed_signers": signers(f"{PEOPLE['eve']} {key_of('mallory').public}")})
    push(lab, reg)
    with pytest.raises(Refused, match="policy-unsigned"):
        registry.resolve("m", stage="prod", project=url)


def test_a_root_that_changed_twice_while_nobody_looked(lab: Lab, http: Http, reg: Repo) -> None:
    change_policy(reg, policy(2, EVE))
    url = published(lab, http, reg)
    assert held(url) == "v1.0.0"
    for version, who in ((3, "eve"), (4, "bo")):
        change_policy(reg, policy(version, BO))
        sign_tag(reg, f"policy/{version}", who)
    push(lab, reg)
    assert held(url) == "v1.0.0"


def test_the_first_sight_is_held_against_a_key_that_was_named(
    lab: Lab, http: Http, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_policy(reg, policy(2, EVE))
    url = published(lab, http, reg)
    monkeypatch.setenv("REGISTRY_ROOT", key_of("eve").fingerprint)
    with pytest.raises(Refused, match="REGISTRY_ROOT"):
        registry.resolve("m", stage="prod", project=url)
    sign_tag(reg, "policy/2", "eve")
    push(lab, reg)
    assert held(url) == "v1.0.0"


class Machine:
    """Where a consumer's code runs, with its lock file; each machine begins with nothing seen."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        self.lab, self.patch, self.url, self.count = lab, monkeypatch, url, 0
        monkeypatch.setenv("REGISTRY_LOCK", str(lab.root / "registry.lock"))
        self.new()

    def new(self) -> None:
        """Another machine."""
        shutil.rmtree(self.lab.cache, ignore_errors=True)
        self.count += 1
        self.patch.setenv("REGISTRY_STATE_DIR", str(self.lab.root / f"state{self.count}"))

    def asks(self, *, locked: bool = True) -> str | None:
        """The version that the stage prod is loaded with."""
        return registry.resolve("m", stage="prod", project=self.url, locked=locked).version

    def refused(self) -> Refused:
        with pytest.raises(Refused) as caught:
            self.asks()
        assert caught.value.reason == "policy-unsigned"
        return caught.value


@pytest.fixture
def machine(lab: Lab, http: Http, reg: Repo, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The registry has a root, which signed its policy, and was locked."""
    change_policy(reg, policy(2, EVE))
    sign_tag(reg, "policy/2", "eve")
    made = Machine(lab, monkeypatch, published(lab, http, reg))
    registry.lock("m", stage="prod", project=made.url)
    return made


def entry(machine: Machine) -> tuple[str, ...]:
    (found,) = parse_lock(Path(machine.lab.root / "registry.lock").read_bytes(), "")
    return found.root


def test_a_lock_names_the_root_and_a_machine_that_saw_nothing_is_not_deceived(
    lab: Lab, reg: Repo, machine: Machine
) -> None:
    assert entry(machine) == (key_of("eve").fingerprint,)
    machine.new()
    assert machine.asks() == "v1.0.0"
    change_policy(reg, weaker(3, EVE))
    sign_tag(reg, "policy/3", "dana")
    sign_tag(reg, "m#prod#5", "dana", "m@v2.0.0^{commit}", "Version: v2.0.0")
    push(lab, reg)
    machine.new()
    assert "as locked" in machine.refused().what
    (checked,) = registry.check_lock()
    assert [each.kind for each in checked.problems] == ["policy-unsigned"]
    with pytest.raises(Refused, match="policy-unsigned"):
        registry.upgrade_lock()
    machine.new()
    assert machine.asks(locked=False) == "v2.0.0", "without the lock the first sight is trusted"
    assert "as locked" in machine.refused().what, "which the lock does not accept"


def test_a_root_that_changed_is_followed_from_the_locked_one(lab: Lab, reg: Repo, machine: Machine) -> None:
    for version, who in ((3, "eve"), (4, "bo")):
        change_policy(reg, policy(version, BO))
        sign_tag(reg, f"policy/{version}", who)
    push(lab, reg)
    machine.new()
    assert machine.asks() == "v1.0.0"
    registry.upgrade_lock()
    assert entry(machine) == (key_of("bo").fingerprint,)


def test_a_root_that_did_not_sign_yet_is_in_no_lock_and_what_is_no_key_is_refused(
    lab: Lab, http: Http, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_policy(reg, policy(2, EVE))
    machine = Machine(lab, monkeypatch, published(lab, http, reg))
    registry.lock("m", stage="prod", project=machine.url)
    assert entry(machine) == ()
    text = (lab.root / "registry.lock").read_text()
    for root in ('["a key"]', '"SHA256:x"', "[1]"):
        changed = text.replace('stage = "prod"', f'stage = "prod"\nroot = {root}')
        with pytest.raises(RegistryError, match="root must be fingerprints of keys"):
            parse_lock(changed.encode(), "registry.lock")
