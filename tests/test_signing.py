"""Signing events, asking who signed, and what a whole registry's verification says of signatures."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import signing_keys as keys
from inprocess import registry_here
from lab import ROOT, START, Lab, Ran, Repo, tag_body
from test_signatures import DANA, EVE, SIGNERS, signs

import registry
from registry.api.project import open_project
from registry.api.signatures import commit_verdicts, read_signers, verdicts
from registry.errors import RegistryError
from registry.signaturerules import RULES

NO_KEY = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gpg.format", "GIT_CONFIG_VALUE_0": "ssh"}


@pytest.fixture
def repo(lab: Lab) -> Repo:
    """A registry with signers, where Dana signs when she is asked to."""
    made = lab.repo("models")
    made.commit({"a": "1"})
    made.commit({"a": "2", "allowed_signers": SIGNERS})
    return signs(lab, made, DANA)


def here(repo: Repo, *words: str, code: int = 0) -> Ran:
    """Run our command line in the repository, in this process, and hold its exit code."""
    ran = registry_here(repo.path, *words)
    assert ran.code == code, ran
    return ran


def states(repo: Repo, *, at: int | None = None, marks: dict[str, int] | None = None) -> dict[str, str]:
    """The state of every tag."""
    project = open_project(repo.path)
    signers = read_signers(project)
    assert signers is not None
    events = project.scan().events
    found = verdicts(project, events, signers, None if at is None else lambda _: at, marks)
    return {event.ref: found[event.oid].state for event in events}


def ids(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["id"], each["ref"]) for each in found if each["id"].startswith("sign")]


# --- making signatures


def test_every_event_is_signed_where_it_is_asked_for(repo: Repo) -> None:
    here(repo, "assign", "m", "HEAD~1", "--stage", "prod", "--sign")
    here(repo, "assign", "m", "HEAD", "--stage", "prod", "--sign")
    here(repo, "rollback", "m", "--stage", "prod", "--sign")
    here(repo, "unassign", "m", "--stage", "prod", "--sign")
    here(repo, "deregister", "m", "--version", "v0.0.2", "--sign")
    here(repo, "deprecate", "m", "--sign")
    assert set(states(repo).values()) == {"signed"}
    assert len(repo.tags()) == 8
    for tag in repo.tags():
        assert repo.run("git", "verify-tag", "--", tag).code == 0


def test_nothing_is_signed_where_that_is_asked_for(repo: Repo) -> None:
    repo.git("config", "tag.gpgSign", "true")
    here(repo, "register", "m", "HEAD~1", "--no-sign")
    here(repo, "register", "m", "HEAD")
    assert states(repo) == {"m@v0.0.1": "unsigned", "m@v0.0.2": "signed"}


def test_the_library_signs_as_the_command_does(lab: Lab, repo: Repo) -> None:
    registry.register("m", project=repo.path, options=registry.Options(sign=True))
    assert states(repo) == {"m@v0.0.1": "signed"}


@pytest.mark.parametrize("form", ["ssh", "openpgp"])
def test_signing_without_a_key_is_an_error_with_the_remedy_and_leaves_nothing(repo: Repo, form: str) -> None:
    repo.git("config", "--unset", "user.signingKey")
    repo.git("config", "gpg.format", form)
    before = repo.git("for-each-ref")
    ran = repo.registry("register", "m", "--sign", check=False, env={"GNUPGHOME": str(repo.lab.root / "none")})
    assert (ran.code, ran.stdout) == (1, "")
    assert "user.signingKey" in ran.stderr
    assert "--no-sign" in ran.stderr
    assert repo.git("for-each-ref") == before
    assert not [path.name for path in repo.git_dir.iterdir() if path.name.startswith("registry-sign")]


def test_a_message_that_looks_signed_hides_no_trailers(repo: Repo) -> None:
    hiding = "x\n-----BEGIN SSH SIGNATURE-----\ny"
    ran = here(repo, "register", "m", "--no-sign", "-m", hiding, code=1)
    assert (ran.code, repo.tags()) == (1, {})
    assert "would hide the tag's trailers" in ran.stderr
    here(repo, "assign", "m", "--stage", "prod", "--sign", "-m", hiding)
    assert set(states(repo).values()) == {"signed"}
    assert here(repo, "which", "m", "prod").stdout == "v0.0.1\n"


# --- who signed


def test_the_signers_are_listed(repo: Repo) -> None:
    limited = f'dana@example.org,ops valid-before="20300101Z" {DANA.public} laptop\n*@ci cert-authority {EVE.public}\n'
    repo.commit({"allowed_signers": limited})
    listed = here(repo, "signers", "list").stdout
    assert f"dana@example.org,ops  {DANA.fingerprint} (ssh-ed25519)" in listed
    assert "2030-01-01T00:00:00Z" in listed
    assert "certificates are not honoured" in listed
    first, second = here(repo, "signers", "list", "--json").json
    assert (first["principals"], first["valid_before"]) == (["dana@example.org", "ops"], 1893456000)
    assert second["unused"] == "certificates are not honoured"


def test_a_registry_without_signers_says_how_to_have_some(lab: Lab) -> None:
    repo = lab.repo("plain")
    repo.commit({"a": "1"})
    here(repo, "register", "m")
    ran = here(repo, "signers", "list", code=1)
    assert ran.code == 1
    assert "no file allowed_signers" in ran.stderr
    assert ids(here(repo, "verify", "--json").json) == []


def test_tags_are_checked_by_name_here_and_at_a_url(repo: Repo) -> None:
    here(repo, "assign", "m", "--stage", "prod", "--sign")
    here(repo, "register", "m", "HEAD~1")
    ran = here(repo, "signers", "check", "m#prod#1", "m@v0.0.1")
    assert f"m#prod#1: signed by dana@example.org with {DANA.fingerprint}" in ran.stdout
    url = repo.bare_clone("served.git").url
    ran = here(repo, "signers", "check", "m@v0.0.1", "m@v0.0.2", "--json", "-r", url, code=1)
    assert [(each["tag"], each["state"], each["principal"]) for each in ran.json] == [
        ("m@v0.0.1", "signed", "dana@example.org"),
        ("m@v0.0.2", "unsigned", None),
    ]
    assert "no tag of a model is named 'm@v9.0.0'" in here(repo, "signers", "check", "m@v9.0.0", code=1).stderr


def test_verify_tells_forged_and_unknown_signatures_and_passes_unsigned_tags(lab: Lab, repo: Repo) -> None:
    at = repo.rev("HEAD")
    here(repo, "register", "m", "--sign")
    here(repo, "register", "quiet")
    signature = repo.git("cat-file", "tag", "m@v0.0.1").partition("-----BEGIN")
    repo.raw_tag("m#prod#1", tag_body("m#prod#1", at, time=START) + (signature[1] + signature[2] + "\n").encode())
    borrowed = tag_body("m#prod#2", at, tagger="Eve <eve@example.org>", time=START)
    repo.raw_tag("m#prod#2", borrowed + DANA.sign(borrowed))
    stranger = tag_body("m#prod#3", at, time=START)
    repo.raw_tag("m#prod#3", stranger + keys.key("rsa").sign(stranger))
    ran = here(repo, "verify", "--json")
    assert ids(ran.json) == [
        ("signature-bad", "m#prod#1"), ("signature-bad", "m#prod#2"), ("signature-unknown", "m#prod#3"),
    ]  # fmt: skip
    assert "its tagger is 'eve@example.org'" in ran.stdout
    assert {each["severity"] for each in ran.json if each["id"].startswith("sign")} == {"warning"}


def test_a_backdated_tag_by_an_expired_key_is_told(repo: Repo) -> None:
    repo.commit({"allowed_signers": f'dana@example.org valid-before="20250101Z" {DANA.public}\n'})
    repo.registry("register", "m", "--sign", time=1_700_000_000)
    assert ids(here(repo, "verify", "--json").json) == [("signature-unknown", "m@v0.0.1")]


def test_signers_that_cannot_be_read_are_an_error_that_names_the_line(repo: Repo) -> None:
    repo.commit({"allowed_signers": SIGNERS + "eve@example.org ssh-ed25519 AAAA\n"})
    ran = here(repo, "verify", "--json", code=1)
    assert (ran.code, ids(ran.json)) == (1, [("signers-readable", None)])
    assert "line 3" in ran.stdout


def test_signers_that_are_a_symlink_are_refused(repo: Repo) -> None:
    (repo.path / "allowed_signers").unlink()
    (repo.path / "allowed_signers").symlink_to("a")
    repo.commit({"b": "1"})
    assert "a symlink" in here(repo, "signers", "list", code=1).stderr


def test_every_finding_has_its_heading() -> None:
    text = (ROOT / "docs" / "signatures.md").read_text(encoding="utf-8")
    assert [line[4:] for line in text.splitlines() if line.startswith("### ")] == list(RULES)


def test_commits_are_judged_as_tags_are(repo: Repo) -> None:
    plain = repo.rev("HEAD")
    repo.git("commit", "-S", "--quiet", "--allow-empty", "-m", "signed")
    signed = repo.rev("HEAD")
    project = open_project(repo.path)
    signers = read_signers(project)
    assert signers is not None
    for _ in range(2):
        found = commit_verdicts(project, [plain, signed], signers)
        assert [found[oid].state for oid in (plain, signed)] == ["unsigned", "signed"]
    late = commit_verdicts(project, [signed], signers, lambda _: START, {DANA.fingerprint: START})
    assert late[signed].state == "compromised"
    with pytest.raises(RegistryError, match="is missing"):
        commit_verdicts(project, ["1" * 40], signers)


# --- what is remembered


def remembered(lab: Lab) -> list[Path]:
    return sorted(path for path in (lab.cache / "signatures").iterdir() if not path.name.startswith("."))


def test_a_proof_is_remembered_for_its_signers_and_judged_anew_by_time(lab: Lab, repo: Repo) -> None:
    here(repo, "register", "m", "--sign")
    assert states(repo, at=START) == {"m@v0.0.1": "signed"}
    (file,) = remembered(lab)
    size = file.stat().st_size
    assert states(repo, at=START, marks={DANA.fingerprint: START}) == {"m@v0.0.1": "compromised"}
    assert file.stat().st_size == size, "nothing new was computed"
    repo.commit({"allowed_signers": f'dana@example.org valid-before="20250101Z" {DANA.public}\n'})
    assert states(repo, at=START) == {"m@v0.0.1": "expired"}
    repo.commit({"allowed_signers": f"dana@example.org {EVE.public}\n"})
    assert states(repo, at=START) == {"m@v0.0.1": "unknown-key"}
    assert len(remembered(lab)) == 3


def test_what_is_remembered_is_used_and_what_is_damaged_is_not(lab: Lab, repo: Repo) -> None:
    here(repo, "register", "m", "--sign")
    here(repo, "register", "other", "--sign")
    assert set(states(repo).values()) == {"signed"}
    (file,) = remembered(lab)
    whole = file.read_bytes()
    for data in (whole[:-30], whole.replace(b"signed\t", b"bad\t"), b"\0" * 50 + whole, b"\xff\n" + whole, b""):
        file.write_bytes(data)
        assert set(states(repo).values()) == {"signed"}
        assert set(states(repo).values()) == {"signed"}
    file.unlink()
    file.mkdir()
    assert set(states(repo).values()) == {"signed"}


def test_verifying_works_where_nothing_can_be_remembered(lab: Lab, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    here(repo, "register", "m", "--sign")
    monkeypatch.setenv("REGISTRY_CACHE_DIR", str(repo.path / "a"))  # a file
    assert states(repo) == {"m@v0.0.1": "signed"}


# --- PGP


@pytest.fixture
def pgp(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A keyring with Dana's key, in a folder whose path is short enough for its agent's socket."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        monkeypatch.setenv("GNUPGHOME", home)
        who = [
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            "Dana <dana@example.org>",
            "ed25519",
            "sign",
            "never",
        ]
        try:
            subprocess.run(["gpg", "--quiet", *who], check=True, capture_output=True)
            yield {"GNUPGHOME": home}
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)


def test_pgp_signatures_are_verified_by_git_and_count_only_with_a_trusted_key(
    lab: Lab, repo: Repo, pgp: dict[str, str]
) -> None:
    repo.git("config", "gpg.format", "openpgp")
    repo.git("config", "--unset", "user.signingKey")
    trace = lab.root / "trace"
    repo.registry("register", "m", "--sign", env=pgp)
    repo.git("config", "gpg.program", f"touch {trace}; gpg")
    body = repo.run("git", "cat-file", "tag", "m@v0.0.1").stdout
    repo.raw_tag("m@v0.0.2", body.replace("v0.0.1", "v0.0.2").encode())
    assert states(repo) == {"m@v0.0.1": "pgp-good", "m@v0.0.2": "pgp-bad"}
    ran = repo.registry("signers", "check", "m@v0.0.1", "--json", env=pgp)
    assert (ran.json[0]["principal"], ran.json[0]["kind"]) == ("dana@example.org", "pgp")
    owner = subprocess.run(["gpg", "--export-ownertrust"], check=True, capture_output=True, text=True).stdout
    weaker = owner.replace(":6:", ":3:").encode()
    subprocess.run(["gpg", "--quiet", "--import-ownertrust"], input=weaker, check=True, capture_output=True)
    assert states(repo)["m@v0.0.1"] == "pgp-untrusted"
    assert not trace.exists(), "the repository named the program that verifies"
