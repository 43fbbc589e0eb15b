"""Where a git host opens a pull request, known from a remote's address."""

from __future__ import annotations

import pytest

from registry.hosts import compare_url

GITHUB = "https://github.com/acme/reg/compare/main...link%2Fteam%2Bm?expand=1"
GITLAB = (
    "https://gitlab.com/acme/ml/reg/-/merge_requests/new"
    "?merge_request%5Bsource_branch%5D=link%2Fteam%2Bm&merge_request%5Btarget_branch%5D=main"
)


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/acme/reg", GITHUB),
        ("https://github.com/acme/reg.git", GITHUB),
        ("https://me:secret@github.com/acme/reg.git/", GITHUB),
        ("git@github.com:acme/reg.git", GITHUB),
        ("ssh://git@github.com:22/acme/reg.git", GITHUB),
        ("https://gitlab.com/acme/ml/reg.git", GITLAB),
        ("git@gitlab.com:acme/ml/reg.git", GITLAB),
        ("https://github.example.org/a/b", "https://github.example.org/a/b/compare/main...link%2Fteam%2Bm?expand=1"),
        ("https://git.example.org/a/b", None),
        ("https://notgithub.com/a/b", None),
        ("http://github.com/a/b", None),
        ("/srv/github.com/reg", None),
        ("https://github.com/", None),
        ("https://github.com/../x", None),
        ("https://[github.com/a", None),
    ],
)
def test_the_page_that_opens_a_pull_request(remote: str, url: str | None) -> None:
    assert compare_url(remote, "main", "link/team+m") == url
