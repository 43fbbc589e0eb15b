"""Pages of a git host's site. Pure: known from the address of a remote, nothing is asked.

GitHub: https://docs.github.com/pull-requests/how-tos/create-pull-requests/use-query-parameters-to-create-a-pull-request.
GitLab: https://docs.gitlab.com/user/project/merge_requests/creating_merge_requests/.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/].*)")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class _Site(NamedTuple):
    """A project's site."""

    url: str
    gitlab: bool


def compare_url(remote: str, base: str, branch: str) -> str | None:
    """The page that opens a pull request of `branch` into `base`; none for a host that is not known."""
    site = _site(remote)
    if site is None:
        return None
    if not site.gitlab:
        return f"{site.url}/compare/{quote(base, safe='')}...{quote(branch, safe='')}?expand=1"
    source, target = quote(branch, safe=""), quote(base, safe="")
    query = f"merge_request%5Bsource_branch%5D={source}&merge_request%5Btarget_branch%5D={target}"
    return f"{site.url}/-/merge_requests/new?{query}"


def commit_pages(remote: str, commit: str, before: str | None = None) -> dict[str, str]:
    """The page `commit` of a commit, and `compare` of what changed since an earlier one; none of an unknown host."""
    site = _site(remote)
    if site is None or not _OID.fullmatch(commit):
        return {}
    base = f"{site.url}/-" if site.gitlab else site.url
    found = {"commit": f"{base}/commit/{commit}"}
    if before is not None and before != commit and _OID.fullmatch(before):
        found["compare"] = f"{base}/compare/{before}...{commit}"
    return found


def _site(remote: str) -> _Site | None:
    """Where the project's pages begin; none for a host that is not known."""
    scp = _SCP.fullmatch(remote)
    if scp and "://" not in remote:
        host, path = scp["host"], scp["path"]
    else:
        try:
            parts = urlsplit(remote)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return None
        if parts.scheme not in {"https", "ssh"}:
            return None
    host = host.lower()
    project = quote(path.strip("/").removesuffix(".git"), safe="/-._~")
    labels = host.split(".")
    if not project or ".." in project or not {"github", "gitlab"} & set(labels):
        return None
    return _Site(f"https://{host}/{project}", gitlab="github" not in labels)
