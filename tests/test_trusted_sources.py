"""`trusted_sources`: held by `link` before anything is fetched, and the only way to a source over plain http."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from lab import Lab, Repo
from linked import add, files_below, make_registry, make_source, served, slope

import registry
from registry.errors import Refused
from registry.policy import Policy

Http = Callable[..., Any]


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback; the test is skipped where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737): nothing is sent
            found = str(asked.getsockname()[0])
        except OSError:
            found = "127.0.0.1"
    if found.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return found


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def govern(reg: Repo, version: int, *patterns: str) -> None:
    reg.commit({"policy.yaml": f"format: 1\nversion: {version}\ntrusted_sources: {list(patterns)}\n"})


def link(reg: Repo, url: str) -> None:
    registry.link("lr", "m", source_project=url, rev="v1", project=reg.path)


def refusal(act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        act()
    return raised.value


def test_a_source_that_the_policy_does_not_name_is_refused_before_anything_is_fetched(
    lab: Lab, reg: Repo, http: Http
) -> None:
    server = http(served(lab, make_source(lab)))
    url = f"{server.url}/source.git"
    govern(reg, 1, "https://git.example.org/*")
    before = files_below(reg.path / ".mlem")
    refused = refusal(lambda: link(reg, url))
    assert refused.reason == "source-trusted"
    assert "trusted_sources in policy.yaml" in refused.fix
    assert server.requests == []
    assert files_below(reg.path / ".mlem") == before
    reg.write({"policy.yaml": "format: 1\nversion: 2\n"})
    assert refusal(lambda: link(reg, url)).reason == "source-trusted", "a policy that is not committed does not hold"
    govern(reg, 2, f"{server.url}/*")
    link(reg, url)
    assert (reg.path / ".mlem/links/m.mlem").is_file()


def test_nothing_is_linked_while_the_policy_cannot_be_read(lab: Lab, reg: Repo) -> None:
    source = make_source(lab)
    reg.commit({"policy.yaml": "format: 9\nversion: 1\n"})
    assert refusal(lambda: link(reg, source.url)).reason == "policy-valid"


def test_a_folder_is_named_by_its_path_or_url(lab: Lab, reg: Repo) -> None:
    source = make_source(lab)
    for version, name in enumerate((source.url, str(source.path)), 1):
        govern(reg, version, name)
        link(reg, str(source.path))


def test_plain_http_to_another_machine_is_used_only_where_a_pattern_says_http(lab: Lab, reg: Repo, http: Http) -> None:
    server = http(served(lab, make_source(lab)), host=own_address())
    url = f"{server.url}/source.git"
    assert refusal(lambda: link(reg, url)).reason == "source-url"
    govern(reg, 1, f"*{server.url[4:]}/*", url.replace("http:", "https:"))
    assert refusal(lambda: link(reg, url)).reason == "source-url"
    assert server.requests == []
    govern(reg, 2, f"{server.url}/*")
    add(reg, url)
    assert registry.check(reg.path).findings == []
    assert slope(registry.load("m", project=reg.path)) == 1.0
    remote = f"{http(served(lab, reg)).url}/reg.git"
    assert slope(registry.load("m", project=remote)) == 1.0


def test_plain_http_is_refused_again_once_the_policy_names_it_no_more(lab: Lab, reg: Repo, http: Http) -> None:
    server = http(served(lab, make_source(lab)), host=own_address())
    govern(reg, 1, f"{server.url}/*")
    add(reg, f"{server.url}/source.git")
    (reg.path / "policy.yaml").unlink()
    reg.git("add", "--all")
    reg.commit()
    asked = len(server.requests)
    assert refusal(lambda: registry.load("m", project=reg.path)).reason == "source-url"
    found = [finding for finding in registry.check(reg.path).findings if finding.severity == "error"]
    assert [finding.id for finding in found] == ["source-url"]
    assert "policy.yaml" in found[0].fix
    assert len(server.requests) == asked


def test_a_change_that_names_a_plain_source_is_judged_by_the_policy_of_its_base(
    lab: Lab, reg: Repo, http: Http
) -> None:
    server = http(served(lab, make_source(lab)), host=own_address())
    base = reg.rev("HEAD")
    govern(reg, 1, f"{server.url}/*")
    add(reg, f"{server.url}/source.git")
    found = [each.id for each in registry.check(reg.path, base=base).findings if each.severity == "error"]
    assert found == ["source-url"]


@pytest.mark.parametrize(
    "pattern",
    ["*://git.example.org/**", "https://git.example.org/**", "**", "http://git.example.org:80/**", "http://x/**"],
)
def test_patterns_that_do_not_name_a_plain_address(pattern: str) -> None:
    assert not Policy(trusted_sources=(pattern,)).admits_plain("http://git.example.org/acme/models")


def test_a_registry_itself_is_never_read_over_plain_http() -> None:
    assert refusal(lambda: registry.load("m", project="http://git.example.org/reg")).reason == "source-url"
