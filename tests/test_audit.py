"""The audit: every event with who, whose signature, and what became of it; what stages held when; the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import signing_keys as keys
from books import POLICY, Books, signers
from governed import link
from governed import report as evaluated
from inprocess import registry_here
from lab import Lab, Ran, tag_body
from linked import served
from test_unchanged import git_processes

import registry
from registry.api.readlog import FOLDER
from registry.approval import Said, format_message, format_ref
from registry.errors import NotFound, Refused, RegistryError
from registry.evidence import Evidence
from registry.policytimes import moment
from registry.render.trail import COLUMNS
from registry.trail import Row


@pytest.fixture
def books(lab: Lab) -> Books:
    """v1.0.0 by Dana, in staging, recorded in prod."""
    made = Books(lab)
    made.event("m@v1.0.0", 1, "dana")
    made.event("m#staging#1", 2, "dana")
    made.recorded("m#prod#2", 3)
    return made


def told(books: Books, *keys: str, **chosen: Any) -> list[tuple[Any, ...]]:
    """Columns of the rows, those of the policy left out."""
    rows = registry.audit(books.repo.path, **chosen).rows
    return [tuple(getattr(row, key) for key in keys) for row in rows if row.kind != "policy"]


def row_of(books: Books, tag: str) -> Row:
    (found,) = [row for row in registry.audit(books.repo.path).rows if row.tag == tag]
    return found


def held(books: Books, hours: float) -> dict[str, str]:
    found = registry.audit_at(books.at(hours), books.repo.path).held
    return {f"{each.name}#{each.stage}": each.version for each in found}


def test_every_event_is_told_with_who_did_it_and_who_signed_it(books: Books) -> None:
    assert told(books, "kind", "name", "version", "stage", "actor", "principal", "signature") == [
        ("register", "m", "v1.0.0", None, "Dana <dana@example.org>", "dana@example.org", "signed"),
        ("assign", "m", "v1.0.0", "staging", "Dana <dana@example.org>", "dana@example.org", "signed"),
        ("assign", "m", "v1.0.0", "prod", "Eve <eve@example.org>", "eve@example.org", "signed"),
    ]
    assert told(books, "time", "claimed", "sequence", "policy", "decision") == [
        (books.at(1), books.at(1), None, 1, "accepted"),
        (books.at(2), books.at(2), None, 1, "accepted"),
        (books.at(3.5), books.at(3), 1, 1, "accepted"),
    ]


def test_without_policy_ledger_and_signers_what_the_tags_say_is_all_there_is(lab: Lab) -> None:
    repo = lab.repo("plain")
    repo.commit({"a": "1"})
    repo.tag("m@v1.0.0")
    found = registry.audit(repo.path)
    (row,) = found.rows
    assert (row.kind, row.signature, row.decision, row.policy, row.exceptions) == ("register", "", "", 0, ())
    assert list(found.remarks) == ["there is no ledger: times are those that the makers of the tags wrote"]
    assert registry.audit(lab.repo("empty").path).rows == []


def test_a_key_that_expired_since_counts_where_a_recorder_vouches_for_the_time(lab: Lab) -> None:
    allowed = signers(eve=f',valid-before="{moment(Books.at(10)).translate(str.maketrans("", "", "-:T"))}"')
    books = Books(lab, allowed=allowed)
    books.event("m@v1.0.0", 1, "dana")
    vouched = books.event("m#prod#1", 2)
    books.record(3, books.entry("m#prod#1", vouched))
    nobody = books.event("m#prod#2", 4)
    books.record(5, books.entry("m#prod#2", nobody), by=None)
    mallory = books.event("m#prod#3", 6)
    books.record(7, books.entry("m#prod#3", mallory), by="mallory")
    late = books.event("m#prod#4", 8)
    books.record(11, books.entry("m#prod#4", late))
    assert told(books, "tag", "signature", "recorder", stage="prod") == [
        ("m#prod#1", "signed", "bot@example.org"),
        ("m#prod#2", "expired", None),
        ("m#prod#3", "expired", None),
        ("m#prod#4", "expired", None),
    ]


def test_a_recorder_does_not_vouch_for_what_the_same_key_signed(lab: Lab) -> None:
    allowed = signers(bot=f',valid-before="{moment(Books.at(10)).translate(str.maketrans("", "", "-:T"))}"')
    books = Books(lab, allowed=allowed)
    books.event("m@v1.0.0", 1, "dana")
    oid = books.event("m#prod#1", 2, "bot")
    books.record(3, books.entry("m#prod#1", oid, "bot"))
    other = books.event("m#prod#2", 4, "eve")
    books.record(5, books.entry("m#prod#2", other))
    assert told(books, "tag", "signature", stage="prod") == [("m#prod#1", "expired"), ("m#prod#2", "signed")]


def test_what_does_not_count_is_told_with_the_reason(books: Books) -> None:
    books.event("m#prod#3", 4)
    books.event("m#staging#4", 5, "eve", key="mallory")
    books.event("m@v2.0.0", 6, "dana", key=None)
    rejected = books.event("m#prod#5", 7, "mallory")
    reason = "role-needed: assign is for release"
    books.record(7.5, books.entry("m#prod#5", rejected, "mallory", kind="reject", reason=reason))
    assert [row_of(books, tag)[13:17:1] for tag in ("m#prod#3",)] == [
        ("ignored", "it stands in no entry of the ledger, which stage 'prod' asks for", "", ("ignored",))
    ]
    forged = row_of(books, "m#staging#4")
    assert (forged.principal, forged.signature, forged.decision) == (None, "signed", "rejected")
    assert "mallory@example.org" in forged.signature_reason
    assert "signature" in forged.exceptions
    assert "signature-needed" in forged.why
    assert row_of(books, "m@v2.0.0").signature == "unsigned"
    last = row_of(books, "m#prod#5")
    assert (last.decision, last.why, last.exceptions) == ("rejected", reason, ("rejected",))
    assert held(books, 24) == {"m#prod": "v1.0.0", "m#staging": "v1.0.0"}


def test_tags_that_are_skipped_are_told_whatever_the_times_are(books: Books) -> None:
    books.repo.lightweight("m#prod#9")
    books.repo.lightweight(f"approval/{'a' * 64}/1")
    rows = registry.audit(books.repo.path, since="2099-01-01").rows
    assert {(row.kind, row.time, row.decision, row.exceptions) for row in rows} == {
        ("malformed", None, "skipped", ("malformed",))
    }
    assert {row.tag for row in rows} == {"m#prod#9", f"approval/{'a' * 64}/1"}
    assert all("tag-lightweight" in row.why for row in rows)


def test_a_recorded_tag_that_is_gone_or_moved_is_told_and_still_was_there(books: Books) -> None:
    books.recorded("m#prod#3", 5, version="v1.0.0")
    books.repo.git("tag", "--delete", "m#prod#2")
    gone = row_of(books, "m#prod#2")
    assert (gone.kind, gone.sequence, gone.exceptions) == ("assign", 1, ("tag-missing",))
    assert held(books, 4) == {"m#prod": "v1.0.0", "m#staging": "v1.0.0"}
    books.event("m#prod#2", 20, "mallory")
    rows = [row for row in registry.audit(books.repo.path).rows if row.tag == "m#prod#2"]
    assert [(row.decision, row.exceptions) for row in rows] == [
        ("accepted", ("tag-moved",)),
        ("ignored", ("ignored",)),
    ]


def test_the_ledger_s_time_decides_and_not_the_tagger_s(books: Books) -> None:
    books.event("m@v2.0.0", 4, "dana", message="Version: v2.0.0\n")
    back = books.event("m#prod#3", 1, message="Version: v2.0.0\n")
    books.record(9, books.entry("m#prod#3", back, version="v2.0.0"))
    assert held(books, 2)["m#staging"] == "v1.0.0"
    assert "m#prod" not in held(books, 3.4), "tagged at three, recorded half an hour later"
    assert held(books, 3.5)["m#prod"] == "v1.0.0"
    assert held(books, 8.9)["m#prod"] == "v1.0.0", "a tag that was dated back changes nothing before it was recorded"
    assert held(books, 9)["m#prod"] == "v2.0.0"


def test_what_a_stage_held_is_told_with_since_when_and_by_whom(books: Books) -> None:
    books.event("m@v2.0.0", 4, "dana", message="Version: v2.0.0\n")
    books.event("m#staging#3", 5, "mallory", message="Version: v2.0.0\n")
    books.event("m#staging!#4", 6, "eve", message="Version: v2.0.0\n")
    books.record(7, books.entry("m@v1.0.0", "0" * 40, kind="revoke", tag=None, tag_oid=None, reason="leaks"))
    (before,) = registry.audit_at(books.at(5), books.repo.path, stage="staging").held
    assert (before.version, before.since, before.actor) == ("v2.0.0", books.at(5), "Mallory <mallory@example.org>")
    (after,) = registry.audit_at(books.at(6), books.repo.path, stage="stag*").held
    assert (after.version, after.since, after.actor) == ("v1.0.0", books.at(6), "Eve <eve@example.org>")
    assert (after.commit, after.tag, after.marks) == (books.repo.rev("HEAD"), "m#staging!#4", ())
    assert {each.marks for each in registry.audit_at(books.at(7), books.repo.path).held} == {("revoked",)}
    assert registry.audit_at(books.at(0), books.repo.path).held == []


def test_changes_of_the_policy_are_events_and_say_which_was_in_force(books: Books) -> None:
    books.repo.lab.now = books.at(10)
    books.repo.commit({"policy.yaml": POLICY.replace("version: 1", "version: 2")}, "Ask for more")
    books.repo.commit({"policy.yaml": POLICY.replace("version: 1", "version: 2") + "register: [release]\n"}, "Sneak")
    books.repo.commit({"allowed_signers": signers() + "# more\n"}, "Sign")
    books.repo.commit({"README.md": "nothing\n"})
    books.event("m@v1.1.0", 12, "dana")
    rows = registry.audit(books.repo.path).rows
    changes = [(row.reason, row.policy, row.exceptions, row.why) for row in rows if row.kind == "policy"]
    assert [each[:3] for each in changes[1:]] == [
        ("Ask for more", 2, ()),
        ("Sneak", 2, ("policy-version",)),
        ("Sign", 2, ()),
    ]
    assert changes[0][3] == "policy.yaml and allowed_signers changed; policy version none before, 1 after"
    assert changes[3][3] == "allowed_signers changed; policy version 2 before, 2 after"
    assert (row_of(books, "m@v1.0.0").policy, row_of(books, "m@v1.1.0").policy) == (1, 2)


def approval(books: Books, hours: float, who: str, kind: str = "approval") -> tuple[str, str]:
    """An approval of v1.0.0 for prod, and the SHA-256 of its evidence."""
    about = Evidence("m", "v1.0.0", "prod", books.repo.rev("HEAD"), "1" * 64, "2" * 64, policy="3" * 64)
    number = len([tag for tag in books.repo.tags() if tag.startswith(kind)]) + 1
    ref = format_ref(kind, about.digest, number)
    confirms = ("kpi",) if kind == "approval" else ()
    said = format_message(Said(kind, "Looks good", about, 1, f"{number:016x}", confirms))
    person = f"{who.title()} <{who}@example.org>"
    body = tag_body(ref, books.repo.rev("HEAD"), tagger=person, message=said, time=books.at(hours))
    books.repo.raw_tag(ref, body + keys.key("ed25519", who).sign(body))
    return ref, about.digest


def test_approvals_are_events_and_stand_beside_what_they_approved(books: Books) -> None:
    asked, digest = approval(books, 4, "dana", "request")
    first, _ = approval(books, 5, "eve")
    late, _ = approval(books, 20, "mallory")
    oid = books.event("m#prod#3", 6, message=f"Version: v1.0.0\nEvidence: {digest}\nPolicy: 1\n")
    books.record(6, books.entry("m#prod#3", oid, approvals=(first,), evidence=digest))
    promoted = row_of(books, "m#prod#3")
    assert (promoted.approvals, promoted.approvers, promoted.evidence) == ((first,), ("eve@example.org",), digest)
    assert told(books, "kind", "tag", "principal", "reason", since=books.at(4), until=books.at(5)) == [
        ("request", asked, "dana@example.org", "Looks good"),
        ("approve", first, "eve@example.org", "Looks good; confirms kpi"),
    ]
    assert row_of(books, late).evidence == digest


def test_rows_are_chosen_by_time_model_stage_and_actor(books: Books) -> None:
    books.event("cost@v1.0.0", 30, "dana")
    assert told(books, "tag", model="c*") == [("cost@v1.0.0",)]
    assert told(books, "tag", stage="prod") == [("m#prod#2",)]
    assert told(books, "tag", actor="eve@example.org") == told(books, "tag", actor="Eve") == [("m#prod#2",)]
    assert len(told(books, "tag", actor="*@example.org")) == 4
    since, until = moment(books.at(2)), moment(books.at(3.5))
    assert told(books, "tag", since=since, until=until) == [("m#staging#1",), ("m#prod#2",)]
    assert told(books, "tag", since=since[:-1] + "+00:00", until=until[:10]) == told(
        books, "tag", since=since, until=until
    )
    with pytest.raises(RegistryError, match="not a moment"):
        registry.audit(books.repo.path, since="lately")


def test_the_report_tells_the_week_and_what_stages_hold(books: Books) -> None:
    repo = books.repo
    card = {
        "cards/m.md": "# m\n",
        ".mlem/links/m.mlem": link(),
        "evaluations/reports/m/v1.0.0/weekly.json": evaluated(),
    }
    repo.commit(card)
    books.event("n@v1.0.0", 20, "dana", message="Forced: contract-linked\n")
    books.recorded("n#prod#1", 21)
    books.event("n#prod#2", 22, "mallory")
    repo.lightweight("n#prod#3")
    repo.git("tag", "--delete", "m#prod#2")
    found = registry.report(repo.path, since=books.at(19), stale="1d")
    assert [row.tag for row in found.changes] == ["n@v1.0.0", "n#prod#1"]
    assert found.actors == {"dana@example.org": {"register": 1}, "eve@example.org": {"assign": 1}}
    assert [(row.tag, row.exceptions) for row in found.exceptions] == [
        ("n@v1.0.0", ("forced",)),
        ("m#prod#2", ("tag-missing",)),
    ]
    assert [row.tag for row in found.attempts] == ["n#prod#2", "n#prod#3"]
    assert [(each.name, each.last) for each in found.stale] == [("m", books.at(3.5)), ("n", books.at(21.5))]
    assert found.coverage() == {"card": (0, 2), "lineage": (0, 2), "evaluation": (0, 2)}
    assert registry.report(repo.path, since="2099-01-01").changes == []


def test_coverage_counts_cards_certificates_and_reports_on_exactly_these_bytes(lab: Lab) -> None:
    repo = lab.repo("reg")
    report_path = "evaluations/reports/{}/v1.0.0/weekly.json"
    repo.commit({
        ".mlem/links/m.mlem": link(), "cards/m.md": "# m\n", ".mlem/lineage/m.json": "{}\n",
        ".mlem/links/n.mlem": link(), ".mlem/links/o.mlem": link(**{"artifact.data.sha256": "7" * 64}),
        report_path.format("m"): evaluated(), report_path.format("n"): "{", report_path.format("o"): evaluated(name="o"),
    })  # fmt: skip
    for name in "mno":
        repo.tag(f"{name}@v1.0.0")
        repo.tag(f"{name}#prod#1")
    repo.tag("m#dev#2")
    found = registry.report(repo.path)
    assert [(each.name, each.stages, each.card, each.lineage, each.evaluation) for each in found.covered] == [
        ("m", ("dev", "prod"), True, True, True),
        ("n", ("prod",), False, False, False),
        ("o", ("prod",), False, False, False),
    ]
    assert found.coverage() == {"card": (1, 3), "lineage": (1, 3), "evaluation": (1, 3)}


def run(books: Books, *args: str) -> Ran:
    done = registry_here(Path(books.repo.path), *args)
    assert done.code == 0, done.stderr
    return done


def test_each_form_tells_the_same_rows(books: Books) -> None:
    rows = registry.audit(books.repo.path).rows
    as_json = run(books, "audit", "--json").json
    assert [each["tag"] for each in as_json["events"]] == [row.tag for row in rows]
    assert set(as_json["events"][-1]) == set(Row._fields)
    assert as_json == run(books, "audit", "--format", "json").json
    read = list(csv.reader(io.StringIO(run(books, "audit", "--format", "csv").stdout)))
    assert read[0] == list(COLUMNS)
    assert [row[COLUMNS.index("tag")] or None for row in read[1:]] == [row.tag for row in rows]
    table = run(books, "audit", "--stage", "prod").stdout.splitlines()
    assert table[0].split()[:3] == ["time", "event", "model"]
    assert table[2].split()[:4] == [moment(books.at(3.5)), "assign", "m", "v1.0.0"]
    assert "m&#8203;" not in run(books, "audit", "--format", "markdown").stdout
    assert run(books, "audit", "--format", "html").stdout.startswith("<!DOCTYPE html>")
    at = run(books, "audit", "at", moment(books.at(4)), "--json").json
    assert at["at"] == books.at(4)
    assert [(each["stage"], each["version"]) for each in at["holdings"]] == [("prod", "v1.0.0"), ("staging", "v1.0.0")]
    for form in ("table", "csv", "markdown", "html"):
        assert "v1.0.0" in run(books, "audit", "at", moment(books.at(4)), "--format", form).stdout
    week = run(books, "report", "--since", moment(books.at(0)), "--json").json
    assert {"changes", "actors", "exceptions", "attempts", "stale", "coverage", "versions"} <= set(week)
    for form in ("text", "markdown", "html"):
        assert "prod" in run(books, "report", "--since", moment(books.at(0)), "--format", form).stdout


def test_words_of_others_are_text_in_every_form(books: Books) -> None:
    evil = "<img src=x onerror=alert(1)>=1+1 | [x](javascript:1)"
    repo = books.repo
    repo.git("-c", f"user.name={evil.replace('<', '').replace('>', '')}", "tag", "-a", "-m", "=cmd()", "m@v3.0.0")
    page = run(books, "audit", "--format", "html").stdout
    assert "<img" not in page
    markdown = run(books, "audit", "--format", "markdown").stdout
    assert "[x](" not in markdown
    cells = csv.reader(io.StringIO(run(books, "audit", "--format", "csv").stdout))
    assert not any(cell.startswith(("=", "+", "@")) for row in cells for cell in row)


def test_options_of_at_stand_behind_it_and_a_moment_must_be_one(books: Books) -> None:
    path = Path(books.repo.path)
    assert registry_here(path, "audit", "--model", "m", "at", "2026-01-01").code == 2
    assert registry_here(path, "audit", "at", "2026-13-01").code == 1
    assert registry_here(path, "report", "--stale", "long").code == 1
    with pytest.raises(NotFound):
        registry.audit(path / "nowhere")


def test_an_audit_asks_git_as_often_for_many_events_as_for_few(
    books: Books, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> object:
        return registry.audit(books.repo.path)

    ask()
    few = git_processes(monkeypatch, lab.root / "few", ask)
    for number in range(3, 9):
        books.recorded(f"m#prod#{number}", 4 + number)
        books.event(f"m#staging#{10 + number}", 4 + number)
    first = git_processes(monkeypatch, lab.root / "first", ask)
    many = git_processes(monkeypatch, lab.root / "many", ask)
    assert many == few <= 24
    assert first <= few + 8, "signatures and entries that are new here are read in bulk"


def test_a_folder_is_audited_without_any_remote(books: Books, lab: Lab) -> None:
    books.repo.git("remote", "add", "origin", "https://registry.invalid/reg.git")
    (copy,) = [lab.clone(books.repo, "copy")]
    copy.git("remote", "set-url", "origin", "https://registry.invalid/reg.git")
    mine, theirs = (registry.audit(each).rows for each in (books.repo.path, copy.path))
    assert theirs == mine


def test_a_registry_at_a_url_is_audited_but_for_the_history_of_its_policy(
    books: Books, lab: Lab, http: Callable[..., Any]
) -> None:
    server = http(served(lab, books.repo))
    url = f"{server.url}/reg.git"
    here, there = registry.audit(books.repo.path), registry.audit(url)
    assert [row._replace(policy=None) for row in there.rows] == [
        row._replace(policy=None) for row in here.rows if row.kind != "policy"
    ]
    assert any("from a clone only" in each for each in there.remarks)
    assert registry.audit_at(books.at(24), url).held == registry.audit_at(books.at(24), books.repo.path).held
    assert registry.report(url).coverage() == registry.report(books.repo.path).coverage()


def test_a_shallow_clone_says_what_it_cannot_tell(books: Books, lab: Lab) -> None:
    books.repo.commit({"a": "1"})
    copy = lab.root / "shallow"
    lab.run("git", "clone", "--quiet", "--depth=1", books.repo.url, str(copy))
    assert any("shallow" in each for each in registry.audit(copy).remarks)


def test_what_was_read_of_a_ledger_is_used_only_where_it_is_whole_and_of_this_ledger(books: Books, lab: Lab) -> None:
    def sequences() -> list[int]:
        return [row.sequence for row in registry.audit(books.repo.path).rows if row.sequence]

    assert sequences() == [1]
    (file,) = [path for path in Path(lab.env["XDG_CACHE_HOME"]).rglob(f"{FOLDER}/*") if path.is_file()]
    kept = file.read_bytes()
    books.recorded("m#prod#3", 5)
    assert sequences() == [1, 2]
    for damage in (b"", kept[:40], kept.replace(b"m#prod#2", b"m#prod#7"), b"\xff" * 99, kept + b" "):
        file.write_bytes(damage)
        assert sequences() == [1, 2]
    books.head = None
    books.repo.git("update-ref", "-d", "refs/heads/ledger")
    books.record(6, books.entry("m#prod#2", books.repo.rev("refs/tags/m#prod#2")))
    assert sequences() == [1], "another ledger than the one that was read"


def test_a_ledger_that_cannot_be_read_is_refused(books: Books) -> None:
    tree = books.repo.git("rev-parse", "ledger^{tree}")
    oid = books.repo.git("commit-tree", "-p", "ledger", "-m", "not an entry", tree)
    books.repo.git("update-ref", "refs/heads/ledger", oid)
    with pytest.raises(Refused) as refused:
        registry.audit(books.repo.path)
    assert refused.value.reason == "ledger-valid"
