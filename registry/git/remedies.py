"""What to do about git's own messages: a part of the message, and the remedy; the first that fits is told."""

from __future__ import annotations

from typing import Final

from registry import timeouts

_BROKE_OFF: Final = "try again later: the connection broke off"
_DAMAGED: Final = "what came was damaged on its way: try again, and ask whoever runs the server or a proxy before it"
REMEDIES: Final = (
    ("does not appear to be a git repository", "see `git remote -v`; add one with `git remote add origin URL`"),
    ("not a git repository", "name a git repository with -r, or run `git init`"),
    ("dubious ownership", "the repository belongs to someone else; see safe.directory in git-config(1)"),
    ("tell me who you are", "set user.name and user.email with `git config`"),
    ("empty ident name", "set user.name and user.email with `git config`"),
    ("unable to auto-detect email", "set user.name and user.email with `git config`"),
    ("returned error: 30", "redirects are not followed: use the final URL"),
    ("redirect", "redirects are not followed: use the final URL"),
    ("could not read Username", "give git credentials for this host: a credential helper, a token or an SSH key"),
    ("Authentication failed", "check the credentials git has for this host"),
    ("Permission denied (publickey)", "check the SSH key git uses for this host"),
    ("Could not resolve host", "check the host's name and the network"),
    ("Failed to connect", "check that the server is up and reachable"),
    ("Couldn't connect", "check that the server is up and reachable"),
    ("Operation too slow", f"try again later, or give it longer with {timeouts.VARIABLE}"),
    ("early EOF", _BROKE_OFF),
    ("unexpected disconnect", _BROKE_OFF),
    ("RPC failed", _BROKE_OFF),
    ("hung up unexpectedly", _BROKE_OFF),
    ("returned error: 404", "check the URL: there is nothing, or not for you"),
    ("returned error: 5", "try again later: it is the server's own failure"),
    ("Empty reply from server", _BROKE_OFF),
    ("inflate", _DAMAGED),
    ("pack has bad", _DAMAGED),
    ("bad pack", _DAMAGED),
    ("pack is corrupted", _DAMAGED),
    ("protocol error", _DAMAGED),
    ("not valid: is this a git repository", "what answers at this URL is no git server: check the URL"),
    ("not our ref", "the server does not have it, or gives nothing by its id: restore it there"),
    ("transport", "use an https or ssh URL"),
    ("fsck error", "the repository holds a damaged object: repair it with `git fsck` at its origin"),
)
