"""Where a git host's site opens a pull request. Pure: known from the address of a remote, nothing is asked.

GitHub: https://docs.github.com/pull-requests/how-tos/create-pull-requests/use-query-parameters-to-create-a-pull-request.
GitLab: https://docs.gitlab.com/user/project/merge_requests/creating_merge_requests/.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^/].*)")


def compare_url(remote: str, base: str, branch: str) -> str | None:
    """The page that opens a pull request of `branch` into `base`; none for a host that is not known."""
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
    if not project or ".." in project:
        return None
    if "github" in labels:
        return f"https://{host}/{project}/compare/{quote(base, safe='')}...{quote(branch, safe='')}?expand=1"
    if "gitlab" in labels:
        source, target = quote(branch, safe=""), quote(base, safe="")
        query = f"merge_request%5Bsource_branch%5D={source}&merge_request%5Btarget_branch%5D={target}"
        return f"https://{host}/{project}/-/merge_requests/new?{query}"
    return None
