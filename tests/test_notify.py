"""`registry notify`, against real servers of this machine: what arrives, what is tried again, and what is never told."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from inprocess import registry_here
from jsonschema import Draft202012Validator
from lab import Lab, Repo
from receivers import Answer, dripping, mailbox, receiver

import registry
from registry.errors import NotFound, RegistryError
from registry.notice import Change, schema
from registry.notifying.sending import Delivery

TOKEN = "T0SECRET0/B0SECRET0/XsecretXsecretXsecret"
ALL = """\
format: 1
version: 1
notify:
  - {slack: SLACK_URL, name: slack}
  - {webhook: HOOK_URL, secret: HOOK_SECRET, name: hook}
  - {email: [ml@example.org, b@example.org], server: SMTP_URL, from: registry@example.org, name: mail}
"""
HOOK = "format: 1\nversion: 1\nnotify:\n  - {webhook: HOOK_URL, secret: HOOK_SECRET, name: hook}\n"
MAIL = """\
format: 1
version: 1
notify:
  - {email: [ml@example.org, b@example.org], server: SMTP_URL, from: registry@example.org, name: mail}
"""
SECRET = "a-secret-of-the-hook"


@pytest.fixture
def promoted(lab: Lab) -> Repo:
    """A registry where prod went from v1.0.0 to v1.1.0, by its tags only."""
    repo = lab.repo("reg")
    repo.commit({"policy.yaml": ALL})
    repo.git("remote", "add", "origin", "https://user:a-token-of-git@github.com/mycompany/reg.git")
    repo.tag("m@v1.0.0")
    repo.tag("m#prod#1")
    repo.commit()
    repo.tag("m@v1.1.0")
    repo.tag("m#prod#2", message="better on weekends\n\nVersion: v1.1.0\nNonce: 1", tagger="Erin <erin@example.org>")
    return repo


def policy(repo: Repo, text: str) -> None:
    repo.commit({"policy.yaml": text})


def only(found: list[Delivery]) -> Delivery:
    (one,) = found
    return one


@contextlib.contextmanager
def hooked(repo: Repo, *answers: Answer) -> Iterator[tuple[Any, dict[str, str]]]:
    """A registry with one webhook and its receiver."""
    policy(repo, HOOK)
    with receiver(*answers) as hook:
        yield hook, {"HOOK_URL": f"{hook.url}/{TOKEN}", "HOOK_SECRET": SECRET}


def test_a_promotion_arrives_on_every_channel(promoted: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as slack, receiver() as hook, mailbox() as mails:
        monkeypatch.setenv("SLACK_URL", f"{slack.url}/services/{TOKEN}")
        monkeypatch.setenv("HOOK_URL", f"{hook.url}/registry")
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        ran = registry_here(promoted.path, "notify", "--tag", "m#prod#2")
        assert (ran.code, ran.stderr) == (0, "")
        assert ran.stdout.splitlines() == [
            f"sent to {name}: m v1.1.0: assigned in prod (was v1.0.0)" for name in ("slack", "hook", "mail")
        ]
    message = json.loads(slack.posts[0].body)
    assert slack.posts[0].path == f"/services/{TOKEN}"
    shown = json.dumps(message["blocks"], ensure_ascii=False)
    for part in ("v1.1.0", "v1.0.0", "prod", "Erin &lt;erin@example.org&gt;", "better on weekends", "/compare/"):
        assert part in shown
    oid = promoted.rev("refs/tags/m#prod#2")
    assert mails.mails[0]["Message-ID"] == f"<{oid}@example.org>"
    assert "better on weekends" in mails.mails[0].get_content()
    assert len(mails.raw) == 1


def test_a_webhook_gets_a_signed_body_of_the_published_schema(promoted: Repo) -> None:
    with hooked(promoted) as (hook, environ):
        metrics = {"f1": Change(0.8, 0.9)}
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ, metrics=lambda *_: metrics))
    assert done.state == "sent"
    (post,) = hook.posts
    body = json.loads(post.body)
    Draft202012Validator(schema()).validate(body)
    signed = hmac.new(SECRET.encode(), post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-Registry-Signature-256"] == f"sha256={signed}"
    assert post.headers["X-Registry-Delivery"] == body["id"] == promoted.rev("refs/tags/m#prod#2")
    assert post.headers["X-Registry-Event"] == body["event"] == "assign"
    assert abs(time.time() - body["sent_at"]) < 60
    commits = [promoted.rev(f"{tag}^{{commit}}") for tag in ("m@v1.0.0", "m@v1.1.0")]
    assert body["links"]["compare"] == f"https://github.com/mycompany/reg/compare/{commits[0]}...{commits[1]}"
    assert body["project"] == "https://github.com/mycompany/reg.git"
    assert (body["actor"], body["actor_email"], body["message"]) == ("Erin", "erin@example.org", "better on weekends")
    assert body["metrics"] == {"f1": {"before": 0.8, "after": 0.9}}
    assert b"a-token-of-git" not in post.body


def test_each_kind_of_event_says_what_it_changed(promoted: Repo) -> None:
    promoted.tag("m#prod#3", "m@v1.0.0^{commit}", "back\n\nVersion: v1.0.0\nRollback-of: m#prod#2\nNonce: 2")
    promoted.tag("m#prod!#4", "m@v1.0.0^{commit}")
    promoted.tag("m@v1.1.0!", "m@v1.1.0^{commit}", "bad\n\nRevoked: leaks personal data")
    promoted.tag("m@deprecated")
    policy(promoted, HOOK)
    found = registry.notify(promoted.path, since="m@v1.1.0", dry_run=True)
    told = [each.notice for each in found]
    assert [each.title() for each in told] == [
        "m v1.1.0: assigned in prod (was v1.0.0)",
        "m v1.0.0: rolled back in prod (was v1.1.0)",
        "m v1.0.0: unassigned in prod",
        "m v1.1.0: revoked",
        "m: deprecated",
    ]
    assert [each.holds for each in told] == ["v1.1.0", "v1.0.0", "v1.1.0", None, None]
    assert told[3].stages == ("prod",)
    assert told[3].reasons == ("Revoked: leaks personal data",)
    (first,) = registry.notify(promoted.path, tags=["m@v1.1.0"], dry_run=True)
    assert (first.notice.kind, first.notice.previous) == ("register", "v1.0.0")


def test_since_takes_a_tag_a_time_and_a_commit(promoted: Repo) -> None:
    policy(promoted, HOOK)

    def refs(since: str) -> list[str | None]:
        return [each.notice.tag for each in registry.notify(promoted.path, since=since, dry_run=True)]

    assert refs("m@v1.1.0") == ["m#prod#2"]
    assert refs("HEAD~1") == ["m@v1.1.0", "m#prod#2"]
    assert refs("2025-01-01T00:00:00Z") == ["m@v1.0.0", "m#prod#1", "m@v1.1.0", "m#prod#2"]
    assert refs("2099-01-01") == []
    with pytest.raises(NotFound, match="no time, no tag"):
        refs("yesterday")


@pytest.mark.parametrize("first", [Answer(503), Answer(429, {"Retry-After": "1"})], ids=["503", "429"])
def test_what_may_pass_is_tried_again_with_the_same_id(promoted: Repo, first: Answer) -> None:
    with hooked(promoted, first, Answer()) as (hook, environ):
        begun = time.monotonic()
        assert only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ)).state == "sent"
    assert len({post.headers["X-Registry-Delivery"] for post in hook.posts}) == 1
    assert len(hook.posts) == 2
    assert time.monotonic() - begun >= (1 if first.headers else 0.1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400),
        Answer(403),
        Answer(404),
        Answer(410),
        Answer(302, {"Location": "/elsewhere"}),
        Answer(307, {"Location": "http://127.0.0.1:9/"}),
    ],
    ids=lambda answer: str(answer.code),
)
def test_what_will_not_pass_is_asked_once_and_no_redirect_is_followed(promoted: Repo, answer: Answer) -> None:
    with hooked(promoted, answer) as (hook, environ):
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert done.state == "failed"
    assert f"answered {answer.code}" in done.what
    assert done.fix
    assert len(hook.posts) == 1


def test_what_is_down_is_given_up_and_not_asked_again_for_the_next_event(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.5")
    with hooked(promoted, Answer(500)) as (hook, environ):
        done = registry.notify(promoted.path, since="2025-01-01", environ=environ)
    assert [each.state for each in done] == ["failed"] * 4
    assert {post.headers["X-Registry-Delivery"] for post in hook.posts} == {promoted.rev("refs/tags/m@v1.0.0")}
    assert len(hook.posts) > 1


def test_a_server_that_never_ends_its_answer_is_given_up(promoted: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.4")
    with hooked(promoted, Answer(drip=True)) as (_, environ):
        begun = time.monotonic()
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert done.state == "failed"
    assert "no answer" in done.what
    assert time.monotonic() - begun < 5


def test_one_failed_channel_stops_no_other_and_the_exit_code_says_so(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(Answer(404, body=b"no_service")) as slack, mailbox() as mails:
        monkeypatch.setenv("SLACK_URL", f"{slack.url}/services/{TOKEN}")
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        ran = registry_here(promoted.path, "notify", "--tag", "m#prod#2")
        assert ran.code == 1
        assert ran.stdout == "sent to mail: m v1.1.0: assigned in prod (was v1.0.0)\n"
        assert "not sent to slack" in ran.stderr
        assert "answered 404 (no_service)" in ran.stderr
        assert "put the address of an incoming webhook into SLACK_URL" in ran.stderr
        assert "the environment variable HOOK_URL is not set" in ran.stderr
        assert len(mails.raw) == 1
        told = registry_here(promoted.path, "notify", "--tag", "m#prod#2", "--json")
        assert [each["state"] for each in told.json] == ["failed", "failed", "sent"]


def exposed(told: str) -> bool:
    """Whether a part of the secrets stands in a text."""
    return any(part in told for part in (SECRET, "SECRET0", "Xsecret", "p4ssw0rd", "c2VjcmV0"))


@pytest.mark.parametrize("code", [200, 302, 400, 404, 500])
def test_a_server_that_repeats_all_it_is_sent_makes_nothing_of_it_known(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.5")
    policy(promoted, ALL.partition("  - {email")[0])
    with receiver(Answer(code, echo=True)) as server, caplog.at_level(logging.DEBUG):
        monkeypatch.setenv("SLACK_URL", f"{server.url}/services/{TOKEN}")
        monkeypatch.setenv("HOOK_URL", f"{server.url}/{TOKEN}?token={SECRET}")
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        ran = registry_here(promoted.path, "notify", "--tag", "m#prod#2")
    assert ran.code == (0 if code == 200 else 1)
    assert TOKEN in server.posts[0].path
    assert any("POST" in line for line in caplog.messages), "the library would log the path"
    assert not exposed(ran.stdout + ran.stderr + caplog.text)


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.example.org/{TOKEN}",
        f"https://user:{SECRET}@127.0.0.1/{TOKEN}",
        f"https://[::1/{TOKEN}",
        f"https://127.0.0.1:1/{TOKEN}",
        f"https://127.0.0.1:99999999/{TOKEN}",
        f"ftp://127.0.0.1/{TOKEN}",
        f"https://hooks.slack.example\\@127.0.0.1/{TOKEN}",
        f"https://127.0.0.1/{TOKEN}\r\nX: y",
        f"https://{'a' * 70}.example.invalid/{TOKEN}",
        f"https://{TOKEN}",
        TOKEN,
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.5")
    policy(promoted, HOOK)
    with caplog.at_level(logging.DEBUG):
        environ = {"HOOK_URL": url, "HOOK_SECRET": SECRET}
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert done.state == "failed"
    assert done.fix
    assert not exposed(f"{done}{done.json()}{caplog.text}")


def test_an_exception_that_holds_the_address_is_told_by_its_name_only(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(f"https://hooks.example.org/{TOKEN}")

    monkeypatch.setattr("requests.Session.request", broken)
    with hooked(promoted) as (_, environ):
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert "a bug: KeyError" in done.what
    assert not exposed(str(done))


def test_e_mail_goes_over_tls_with_a_login_and_not_to_a_server_that_is_not_trusted(
    promoted: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ssl

    policy(promoted, MAIL)
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(lab.root / "ca.pem")
    with mailbox(starttls=context, login=("us@er", "p4ssw0rd/x")) as first, mailbox(tls=context) as second:
        login = {"SMTP_URL": f"smtp://us%40er:p4ssw0rd%2Fx@127.0.0.1:{first.port}"}
        untrusted = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=login))
        assert "certificate is not trusted" in untrusted.what
        monkeypatch.setenv("SSL_CERT_FILE", str(lab.root / "ca.pem"))
        wrong = {"SMTP_URL": f"smtp://us%40er:p4ssw0rd@127.0.0.1:{first.port}"}
        refused = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=wrong))
        assert "does not know these credentials" in refused.what
        assert not exposed(f"{untrusted}{refused}")
        for environ in (login, {"SMTP_URL": f"smtps://127.0.0.1:{second.port}"}):
            assert only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ)).state == "sent"
    assert first.sessions == [(True, True)]
    assert second.sessions == [(True, False)]


def test_mail_that_may_pass_is_tried_again_and_what_will_not_is_not(promoted: Repo) -> None:
    policy(promoted, MAIL)
    with mailbox("451 busy") as box:
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{box.port}"}
        assert only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ)).state == "sent"
    assert len(box.raw) == 1
    with mailbox("554 no", "250 would be taken") as box:
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{box.port}"}
        assert "said no (554)" in only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ)).what
    assert box.replies == ["250 would be taken"]
    with mailbox(refused={"b@example.org"}) as box:
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{box.port}"}
        partly = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert "refused b@example.org" in partly.what
    assert len(box.raw) == 1


def test_a_mail_server_that_never_ends_its_greeting_is_given_up(
    promoted: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(promoted, MAIL)
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.3")
    with dripping() as port:
        begun = time.monotonic()
        environ = {"SMTP_URL": f"smtp://127.0.0.1:{port}"}
        done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ))
    assert "no answer from the mail server" in done.what
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "url", ["imap://p4ssw0rd@h", "smtp://u:p4ssw0rd@h:x", "smtp://", "p4ssw0rd", "smtp://[p4ssw0rd"]
)
def test_a_mail_server_s_url_that_is_none_is_not_repeated(promoted: Repo, url: str) -> None:
    policy(promoted, MAIL)
    done = only(registry.notify(promoted.path, tags=["m#prod#2"], environ={"SMTP_URL": url}))
    assert "holds no mail server's URL" in done.what
    assert not exposed(f"{done}")


def test_a_channel_can_be_tried_alone(promoted: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with hooked(promoted) as (hook, environ):
        monkeypatch.setenv("HOOK_URL", environ["HOOK_URL"])
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        ran = registry_here(promoted.path, "notify", "--test", "hook")
    assert (ran.code, ran.stderr) == (0, "")
    assert json.loads(hook.posts[0].body)["event"] == "test"
    ran = registry_here(promoted.path, "notify", "--test", "hok")
    assert ran.code == 1
    assert "there are: hook" in ran.stderr


def test_a_dry_run_needs_no_secret_and_sends_nothing(promoted: Repo) -> None:
    ran = registry_here(promoted.path, "notify", "--tag", "m#prod#2", "--dry-run")
    assert ran.code == 0
    assert ran.stdout.splitlines()[0] == "would send to slack: m v1.1.0: assigned in prod (was v1.0.0)"
    told = registry_here(promoted.path, "notify", "--tag", "m#prod#2", "--dry-run", "--json").json
    assert [type(each["message"]) for each in told] == [dict, dict, str]


def test_without_channels_or_tags_there_is_nothing_to_tell(promoted: Repo) -> None:
    told = registry_here(promoted.path, "notify", "--tag", "-", input=b"\n")
    assert (told.code, told.stdout) == (0, "nothing to tell\n")
    named = registry_here(promoted.path, "notify", "--tag", "-", "--dry-run", input=b"m@v1.1.0 m#prod#2\n")
    assert len(named.stdout.splitlines()) == 6
    promoted.commit({"policy.yaml": None})
    assert registry_here(promoted.path, "notify", "--tag", "m#prod#2").stdout == "nothing to tell\n"
    assert registry_here(promoted.path, "notify").code == 2
    assert registry_here(promoted.path, "notify", "--tag", "m#prod#2", "--test", "x").code == 2


def test_a_tag_that_is_none_and_a_policy_that_cannot_be_read_are_told(promoted: Repo) -> None:
    assert "no tag 'm#prod#9'" in registry_here(promoted.path, "notify", "--tag", "m#prod#9").stderr
    policy(promoted, "format: 1\nversion: 1\nnotify: [{slack: x}]\n")
    assert "policy-valid" in registry_here(promoted.path, "notify", "--tag", "m#prod#2").stderr


def test_the_policy_is_the_default_branch_s_not_the_work_tree_s(promoted: Repo) -> None:
    (promoted.path / "policy.yaml").write_text(HOOK)
    assert len(registry.notify(promoted.path, tags=["m#prod#2"], dry_run=True)) == 3


def test_a_registry_at_a_url_is_told_of_too(promoted: Repo, http: Any) -> None:
    policy(promoted, HOOK)
    bare = promoted.bare_clone("served/reg.git")
    url = f"{http(bare.path.parent).url}/reg.git"
    done = only(registry.notify(url, tags=["m#prod#2"], dry_run=True))
    assert done.notice.title() == "m v1.1.0: assigned in prod (was v1.0.0)"
    assert done.notice.project == url


def test_offline_nothing_is_sent(promoted: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_OFFLINE", "1")
    with hooked(promoted) as (hook, environ):
        assert "offline" in only(registry.notify(promoted.path, tags=["m#prod#2"], environ=environ)).what
    assert hook.posts == []


def test_more_events_than_anybody_reads_are_refused(promoted: Repo) -> None:
    promoted.git("fast-import", "--quiet", input=_many(promoted.rev("HEAD"), 101))
    with pytest.raises(RegistryError, match="name a later time"):
        registry.notify(promoted.path, since="2025-01-01", dry_run=True)


def _many(commit: str, count: int) -> str:
    text = "message"
    return "".join(
        f"tag n@v1.0.{n}\nfrom {commit}\ntagger D <d@example.org> {1_760_000_000 + n} +0000\ndata {len(text)}\n{text}\n"
        for n in range(count)
    )


def test_importing_the_package_imports_no_sender(lab: Lab) -> None:
    code = "import registry, sys; registry.notify; assert not {'requests', 'smtplib', 'registry.notifying.mail'} & set(sys.modules)"
    import sys

    lab.run(sys.executable, "-c", code, cwd=Path(lab.root))
