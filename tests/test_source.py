"""A source repository, read piece by piece from every kind of server there is."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab import Lab, Repo
from linked import add, make_registry, make_source, saved, served, slope

import registry
from registry import urls
from registry.errors import GitError, NotFound, RegistryError
from registry.git.source import Source

Http = Callable[..., Any]


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


def opened(address: str) -> Source:
    return Source(urls.parse(address))


@pytest.fixture(params=["path", "http"])
def address(request: pytest.FixtureRequest, lab: Lab, http: Http, source: Repo) -> str:
    source.lightweight("light")
    source.git("branch", "side/one")
    source.lightweight("a-tree", "HEAD^{tree}")
    source.git("tag", "--annotate", "--message=x", "nested", "v1")
    if request.param == "path":
        return str(source.path)
    return f"{http(served(lab, source)).url}/source.git"


@pytest.mark.parametrize(
    ("revision", "kind"),
    [
        ("v1", "tag"),
        ("light", "tag"),
        ("nested", "tag"),
        ("side/one", "branch"),
        ("main", "branch"),
        ("refs/heads/main", "branch"),
    ],
)
def test_tags_and_branches_are_peeled_to_commits(address: str, source: Repo, revision: str, kind: str) -> None:
    found = opened(address).resolve(revision)
    assert (found.commit, found.kind) == (source.rev("HEAD"), kind)


@pytest.mark.parametrize(
    "revision",
    ["HEAD", "v", "v1^{tree}", "v1~0", "v1^0", "main@{upstream}", ":README.md", ":/a", "refs/pull/1/head", "V1"],
)
def test_only_whole_names_of_branches_and_tags_are_revisions(address: str, revision: str) -> None:
    with pytest.raises(NotFound, match="no tag or branch"):
        opened(address).resolve(revision)


@pytest.mark.parametrize("revision", ["", "-v1", "--upload-pack=touch x", "a..b", "a b", "a\nb", "x" * 300])
def test_what_can_be_no_revision_is_one_error(address: str, revision: str) -> None:
    with pytest.raises(RegistryError, match="not a revision"):
        opened(address).resolve(revision)


def test_a_tag_of_a_tree_is_no_commit(address: str) -> None:
    here = opened(address)
    with pytest.raises(RegistryError, match="tree, not a commit"):
        here.bring(here.resolve("a-tree").commit)


def test_a_branch_named_like_a_commit_is_refused(address: str, source: Repo, lab: Lab) -> None:
    name = source.rev("HEAD")
    for repo in (source, Repo(lab, lab.root / "served/source.git")):
        if repo.path.exists():
            repo.git("update-ref", f"refs/heads/{name}", "HEAD")
    with pytest.raises(RegistryError, match="named like a commit"):
        opened(address).resolve(name)


def test_an_empty_repository_has_no_revision(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no tag or branch"):
        opened(str(lab.repo("empty").path)).resolve("v1")


def test_a_folder_that_is_no_repository_is_one_error(lab: Lab) -> None:
    (lab.root / "plain").mkdir()
    with pytest.raises(RegistryError) as caught:
        opened(str(lab.root / "plain")).resolve("v1")
    assert caught.value.fix


FALLBACKS: list[tuple[dict[str, bool], str]] = [
    ({}, "2"),
    ({"filters": False}, "2"),
    ({"any_object": False}, "2"),
    ({"filters": False, "any_object": False}, "2"),
    ({}, "0"),
    ({"filters": False}, "0"),
    ({"any_object": False}, "0"),
    ({"filters": False, "any_object": False}, "0"),
]


@pytest.mark.parametrize(("server", "protocol"), FALLBACKS)
def test_every_server_serves_a_model_and_a_registry(
    lab: Lab, http: Http, source: Repo, server: dict[str, bool], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"COUNT": "1", "KEY_0": "protocol.version", "VALUE_0": protocol}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    url = http(served(lab, source), **server).url
    reg = make_registry(lab)
    link = add(reg, f"{url}/source.git")
    assert link.params["artifact.data.blob"] == source.rev("v1:lr")
    shutil.rmtree(lab.cache)
    assert slope(registry.load("m", project=reg.path)) == 1.0
    served(lab, reg)
    shutil.rmtree(lab.cache)
    assert slope(registry.load("m", project=f"{url}/reg.git")) == 1.0


def test_a_server_that_refuses_ids_serves_a_pinned_tag_below_the_tip(
    lab: Lab, http: Http, source: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"COUNT": "1", "KEY_0": "protocol.version", "VALUE_0": "0"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    source.commit(dict(saved(5.0)))
    url = http(served(lab, source), any_object=False).url
    reg = make_registry(lab)
    add(reg, f"{url}/source.git")
    shutil.rmtree(lab.cache)
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_a_commit_that_is_not_served_is_told_with_the_servers_reason(
    lab: Lab, http: Http, source: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in {"COUNT": "1", "KEY_0": "protocol.version", "VALUE_0": "0"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    first = source.rev("HEAD")
    source.git("tag", "-d", "v1")
    source.commit({"x": "y"})
    url = http(served(lab, source), any_object=False).url
    with pytest.raises(NotFound) as caught:
        opened(f"{url}/source.git").bring(first)
    assert first in caught.value.what
    assert "not our ref" in caught.value.what or "unadvertised" in caught.value.what
    assert caught.value.fix


class Rude(http.server.BaseHTTPRequestHandler):
    """Answers every request in the way the server's `manner` says."""

    def do_GET(self) -> None:
        manner, to = self.server.manner
        self.server.seen.append(self.path)
        if manner == "redirect":
            self.send_response(302)
            self.send_header("Location", f"{to}{self.path}")
            self.end_headers()
            return
        self.send_response(500 if manner == "failure" else 200)
        kind = "text/html" if manner == "page" else "application/x-git-upload-pack-advertisement"
        self.send_header("Content-Type", kind)
        self.end_headers()
        service = b"001e# service=git-upload-pack\n0000"
        bodies = {
            "page": b"<html>log in</html>",
            "garbage": b"\x00\xff" * 500,
            "cut": service + b"00ff",
            "huge": b"zzzz" * 10,
        }
        self.wfile.write(bodies.get(manner, b""))

    do_POST = do_GET  # noqa: N815 - the parent's naming

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Print nothing."""


@pytest.fixture
def rude() -> Iterator[Callable[..., Any]]:
    """Start a server with a manner; its URL is `url`."""
    started = []

    def start(manner: str, to: str = "") -> Any:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude)
        server.manner, server.seen = (manner, to), []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("manner", ["page", "garbage", "cut", "huge", "failure"])
def test_a_server_that_sends_garbage_is_one_error_and_leaves_nothing(
    lab: Lab, rude: Callable[..., Any], manner: str
) -> None:
    url = f"{rude(manner).url}/source.git"
    reg = make_registry(lab)
    with pytest.raises(RegistryError):
        registry.link("lr", "m", source_project=url, rev="v1", project=reg.path)
    with pytest.raises(RegistryError):
        registry.load("m", project=url)
    assert not (reg.path / ".mlem/links").exists()
    assert not [path for path in lab.cache.rglob("sha256/**/*") if path.is_file()]
    assert not list(lab.cache.glob("*/.*"))


def test_a_redirect_is_refused_with_the_remedy_and_never_followed(
    lab: Lab, http: Http, source: Repo, rude: Callable[..., Any]
) -> None:
    server = http(served(lab, source))
    reg = make_registry(lab)
    with pytest.raises(GitError) as caught:
        registry.link(
            "lr", "m", source_project=f"{rude('redirect', server.url).url}/source.git", rev="v1", project=reg.path
        )
    assert "redirects are not followed" in caught.value.fix
    assert server.requests == []


def test_a_source_that_redirects_at_load_is_refused_with_the_remedy(
    lab: Lab, http: Http, source: Repo, rude: Callable[..., Any]
) -> None:
    server = http(served(lab, source))
    reg = make_registry(lab)
    link = add(reg, f"{server.url}/source.git")
    moved = f"{rude('redirect', server.url).url}/source.git"
    text = (reg.path / ".mlem/links/m.mlem").read_text().replace(link.project or "", moved)
    reg.commit({".mlem/links/m.mlem": text})
    reg.tag("m@v2.0.0")
    shutil.rmtree(lab.cache)
    with pytest.raises(GitError) as caught:
        registry.load("m", project=reg.path)
    assert "redirects are not followed" in caught.value.fix


def test_a_server_that_is_down_is_one_error(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/source.git"
        with pytest.raises(GitError) as caught:
            opened(url).resolve("v1")
    assert "server is up" in caught.value.fix


def test_a_password_in_a_url_is_never_printed(lab: Lab, http: Http) -> None:
    (lab.root / "served").mkdir()
    server = http(lab.root / "served").url
    url, raw = server.replace("http://", "http://dana:se%40cret@"), server.replace("http://", "http://dana:se@cret@")
    for ran in (
        lab.registry("load", "m", "-r", f"{url}/reg.git", check=False),
        lab.registry("load", "m", "-r", f"{raw}/reg.git", check=False),
        lab.registry("which", "m", "prod", "-r", f"{url}/reg.git", check=False),
        lab.registry("load", "m", "-r", "https://dana:se@cret@/reg", check=False),
        lab.registry("load", "m", "-r", "ftp://dana:se@cret@example.org/reg", check=False),
        lab.registry("load", "m", "-r", "ext::https://dana:se@cret@example.org/reg", check=False),
        lab.registry("load", "m", "-r", "https://dana:se@cret@example.org/reg\n", check=False),
    ):
        assert ran.code == 1
        assert ran.stderr.startswith("error: ")
        assert "cret" not in ran.stderr + ran.stdout, ran.stderr
