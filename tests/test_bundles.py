"""Bundles of a governed registry: judged where they are imported exactly as online, whatever was altered in them."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacked import PEOPLE, entry_of, policy, record, sign_tag, signers
from lab import Lab, Repo
from linked import make_registry, make_source, saved, served, slope
from signing_keys import key
from test_attacks import approve

import registry
from registry.errors import Refused

ROOT = "root: {threshold: 1, principals: [eve@example.org]}\n"
V1, V2 = "m@v1.0.0^{commit}", "m@v2.0.0^{commit}"


class Place:
    """A governed registry that is served, and a machine without a network to which bundles of it are carried."""

    def __init__(self, lab: Lab, http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        source = make_source(lab)
        source.commit(saved(2.0))
        source.tag("v2")
        self.lab, self.server, self.patch = lab, http(served(lab, source)), monkeypatch
        self.url = f"{self.server.url}/reg.git"
        self.reg = make_registry(lab)
        self.reg.commit({"policy.yaml": policy(more=ROOT), "allowed_signers": signers()})
        sign_tag(self.reg, "policy/1", "eve")
        for number in "12":
            registry.link(
                "lr", "m", source_project=f"{self.server.url}/source.git", rev=f"v{number}", project=self.reg.path
            )
            self.reg.git("add", "--all")
            self.reg.commit(message="link m")
            sign_tag(self.reg, f"m@v{number}.0.0", "dana")
        sign_tag(
            self.reg, "m#shop#3", "bo", V1, "Version: v1.0.0", f"Evidence: {approve(self.reg, 'v1.0.0', 'shop', 'eve')}"
        )
        sign_tag(self.reg, "m#live#4", "bo", V1, "Version: v1.0.0")
        self.record("m#live#4")
        served(lab, self.reg)

    def record(self, ref: str, version: str = "v1.0.0", who: str = "robot") -> None:
        record(self.reg, entry_of(self.reg, ref, version=version, principal=PEOPLE["bo"]), who=who)

    def bundle(self, name: str = "models.bundle") -> Path:
        """A bundle of what the registry is now."""
        self.reg.git("push", "--quiet", "--force", "--mirror", str(self.lab.root / "served/reg.git"))
        registry.export(["m"], self.lab.root / name, project=self.url)
        return self.lab.root / name

    def elsewhere(self, state: bool = False) -> None:
        """From now on this is the other machine, which has seen nothing, or (with `state`) what it remembers."""
        shutil.rmtree(self.lab.cache)
        if not state:
            self.patch.setenv("REGISTRY_STATE_DIR", str(self.lab.root / f"state-{len(list(self.lab.root.iterdir()))}"))
        self.patch.setenv("REGISTRY_OFFLINE", "1")

    def load(self, stage: str) -> float:
        return slope(registry.load("m", stage=stage, project=self.url))

    def refusal(self, stage: str) -> str:
        with pytest.raises(Refused) as refused:
            registry.resolve("m", stage=stage, project=self.url)
        return refused.value.reason


@pytest.fixture
def place(lab: Lab, http: Any, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(lab, http, monkeypatch)


def altered(bundle: Path, change: Callable[[Repo], object]) -> Path:
    """The bundle with another repository in it."""
    root = bundle.with_name("altering")
    shutil.rmtree(root, ignore_errors=True)
    with tarfile.open(bundle) as archive:
        archive.extractall(root, filter="data")
    lab = Lab(root / "lab")
    lab.run("git", "clone", "--quiet", "--mirror", str(root / "registry.bundle"), "work.git")
    change(Repo(lab, lab.root / "work.git"))
    lab.run("git", "-C", "work.git", "bundle", "create", "--quiet", str(root / "registry.bundle"), "--all")
    out = bundle.with_name("altered.bundle")
    with tarfile.open(out, "w") as archive:
        for path in (root / "manifest.json", root / "registry.bundle", *sorted((root / "sha256").iterdir())):
            archive.add(path, str(path.relative_to(root)))
    return out


def refs_of(repo: Repo, pattern: str) -> list[str]:
    return [ref for ref in repo.git("for-each-ref", "--format=%(refname)", pattern).split("\n") if ref]


def forged_approval(repo: Repo, who: str = "mallory") -> None:
    """Mallory signs the same approval in Eve's name."""
    (ref,) = refs_of(repo, "refs/tags/approval")
    text = repo.git("for-each-ref", "--format=%(contents:subject)%0a%0a%(contents:body)", ref)
    repo.git("update-ref", "-d", ref)
    settings = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key('ed25519', who).private}"]
    env = {"GIT_COMMITTER_NAME": "Eve", "GIT_COMMITTER_EMAIL": PEOPLE["eve"]}
    repo.git(*settings, "tag", "--sign", "--cleanup=verbatim", "-m", text, ref.removeprefix("refs/tags/"), V1, env=env)


def forged_ledger(repo: Repo) -> None:
    """Mallory promotes v2.0.0, and records it."""
    repo.git("update-ref", "refs/heads/ledger", "refs/registry/ledger")
    repo.tag("m#live#9", V2, "promote\n\nVersion: v2.0.0")
    record(repo, entry_of(repo, "m#live#9", version="v2.0.0", principal=PEOPLE["bo"]), who="mallory")
    repo.git("update-ref", "refs/registry/ledger", "refs/heads/ledger")
    repo.git("update-ref", "-d", "refs/heads/ledger")


def test_what_a_stage_asks_for_is_carried_and_verified_without_a_network(place: Place) -> None:
    bundle = place.bundle()
    place.elsewhere()
    place.server.close()
    place.patch.setenv("REGISTRY_ROOT", key("ed25519", "eve").fingerprint)
    registry.import_bundle(bundle)
    assert (place.load("shop"), place.load("live")) == (1.0, 1.0)
    with pytest.raises(registry.NotFound):
        place.load("prod")
    place.elsewhere()
    registry.import_bundle(altered(bundle, lambda repo: forged_approval(repo, "eve")))
    assert place.load("shop") == 1.0, "as Eve's own"


def test_a_bundle_whose_approvals_or_ledger_were_altered_is_refused(place: Place) -> None:
    bundle = place.bundle()
    for case, (change, stage, reason) in ALTERED.items():
        changed = altered(bundle, change)
        place.elsewhere()
        registry.import_bundle(changed)
        assert place.refusal(stage) == reason, case


def without(pattern: str) -> Callable[[Repo], object]:
    return lambda repo: [repo.git("update-ref", "-d", ref) for ref in refs_of(repo, pattern)]


ALTERED = {
    "approvals left out": (without("refs/tags/approval"), "shop", "event-rejected"),
    "an approval by Mallory": (forged_approval, "shop", "event-rejected"),
    "the ledger left out": (without("refs/registry/ledger"), "live", "ledger-missing"),
    "a ledger that goes on to another promotion": (forged_ledger, "live", "event-rejected"),
}


def test_a_ledger_that_was_seen_is_neither_rewound_nor_replaced(place: Place) -> None:
    older = place.bundle("older.bundle")
    other = altered(older, forged_ledger)
    sign_tag(place.reg, "m#live#5", "bo", V2, "Version: v2.0.0")
    place.record("m#live#5", "v2.0.0")
    newer = place.bundle("newer.bundle")
    place.elsewhere()
    registry.import_bundle(newer)
    assert place.load("live") == 2.0
    registry.import_bundle(older)
    assert place.load("live") == 2.0, "the newer ledger stays"
    with pytest.raises(Refused, match="ledger-forked"):
        registry.import_bundle(other)
    assert place.load("live") == 2.0
    place.elsewhere(state=True)
    with pytest.raises(Refused, match="ledger-rewound"):
        registry.import_bundle(older)
    with pytest.raises(registry.Offline):
        place.load("live")


def test_tags_that_nobody_accepted_stop_no_export(place: Place) -> None:
    place.reg.tag("m@v9.0.0", "HEAD")
    place.reg.tag("m#prod#9", "HEAD")
    place.bundle()
    place.elsewhere()
    assert [version for _, version in registry.import_bundle(place.lab.root / "models.bundle").versions] == [
        "v1.0.0", "v2.0.0",
    ]  # fmt: skip
