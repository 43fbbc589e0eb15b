"""What a registry asks for: `policy.yaml` and `allowed_signers` as the default branch has them, read together.

A folder is read at its `HEAD` commit, never from the work tree. What cannot be read is refused: a policy that was meant
to close something must not open it by being broken. Of a remote registry the newest policy that this machine saw is
remembered, and an older one refused (`registry.api.newestpolicy`). A commit's files are read once in a process.

A policy governs where it has stages, or says who may register or revoke: then every event of the tags is judged by it
(`registry.api.accepting`). Without one nothing here starts more than two processes of git.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from registry.api.project import Project
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.git.objects import Blobs, Entry, entries, file_entry, heads, read_blobs

if TYPE_CHECKING:
    from registry.policy import Policy
    from registry.signing.allowed_signers import AllowedSigners

PATH = "policy.yaml"
LIMIT = 1 << 20
"""Largest file that is read, in bytes."""
SIGNERS = "allowed_signers"
GROUND = ("evaluations", "interfaces", "scripts/metrics")
"""What else of the default branch gates are judged by (`registry.api.entering`)."""
_MOST = 64
_known: dict[tuple[str, str], Rules] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Rules:
    """What one commit of the default branch asks for."""

    where: str
    """The registry, for messages."""
    commit: str | None = None
    """None in an empty repository."""
    data: bytes | None = None
    """`policy.yaml`; none where there is none."""
    signers_data: bytes | None = field(default=None, repr=False)
    signers_fault: RegistryError | None = None
    """Why that file could not be read at all."""
    ground: tuple[str, ...] | None = field(default=None, repr=False)
    """What the commit has at the places of `GROUND`, by object id; empty where there is nothing, none where unknown."""

    @cached_property
    def policy(self) -> Policy:
        """The policy, or what holds without one. Raises `Refused` (`policy-valid`)."""
        from registry.policy import Policy  # a registry without a policy is asked often, and needs none of it

        return Policy() if self.data is None else parsed(self.data, self._place(PATH))

    @cached_property
    def signers(self) -> AllowedSigners | None:
        """Who may sign; none where there is no such file, or it names nobody. Raises `Refused` (`signers-readable`)."""
        from registry.signing.allowed_signers import parse

        try:
            if self.signers_fault is not None:
                raise self.signers_fault
            found = None if self.signers_data is None else parse(self.signers_data, self._place(SIGNERS))
        except RegistryError as error:
            what = f"{SIGNERS} cannot be read, so nobody's signature counts: {error.what}"
            raise Refused("signers-readable", what, error.where, error.fix) from None
        return found if found is not None and found.signers else None

    @property
    def governs(self) -> bool:
        """Whether events of tags are judged by the policy."""
        if self.data is None:
            return False
        asked = self.policy
        said = (asked.stages, asked.register, asked.archive, asked.revoke)
        return any(each is not None for each in said) or bool(asked.signed)

    @property
    def needs_ledger(self) -> bool:
        """Whether some stage's events must stand in the ledger."""
        return self.data is not None and any(stage.ledger for stage in (self.policy.stages or {}).values())

    def unrecorded(self) -> Rules:
        """The same as if no stage asked for the ledger: for whoever begins one."""
        found = replace(self)
        stages = {name: replace(stage, ledger=False) for name, stage in (self.policy.stages or {}).items()}
        found.__dict__["policy"] = replace(self.policy, stages=stages or self.policy.stages)  # where it is cached
        return found

    @property
    def digest(self) -> str | None:
        """SHA-256 of the policy's file; none where there is none."""
        return None if self.data is None else sha256(self.data).hexdigest()

    def _place(self, path: str) -> str:
        return f"{self.where}: {(self.commit or '')[:7]}:{path}"


def read_rules(project: Project, commit: str | None = None) -> Rules:
    """What holds now; of a remote registry as its mirror was last brought up to date.

    `commit` is the default branch's, where it is known already. Raises `Refused`: `policy-valid` where the policy
    cannot be read, `policy-older` and `policy-changed` where this machine has seen another, `policy-unsigned` where
    the root did not sign it.
    """
    found = rules_at(project, commit) if commit else _here(project)
    if project.mirror is not None:
        from registry.api.newestpolicy import require_newest
        from registry.api.rooted import require_rooted

        require_rooted(project, found)
        require_newest(project, 0 if found.data is None else found.policy.version, found.data)
    return found


def rules_at(project: Project, commit: str) -> Rules:
    """The rules as a commit has them. Raises `Refused` (`policy-valid`)."""
    known = _known.get((project.where, commit))
    if known is not None:
        return known
    found = _read(project, commit)
    with _lock:
        while len(_known) >= _MOST:
            _known.pop(next(iter(_known)))
        _known[project.where, commit] = found
    return found


def _here(project: Project) -> Rules:
    """The rules of the default branch; of a folder without a policy by one process."""
    if project.mirror is not None:
        head = project.head()
        return Rules(project.where) if head is None else rules_at(project, head)
    asked = ["HEAD^{commit}", f"HEAD:{PATH}"]
    found = heads(project.path, asked)
    if asked[0] not in found:
        return Rules(project.where)
    commit = found[asked[0]][0]
    return rules_at(project, commit) if asked[1] in found else Rules(project.where, commit)


def _tree(project: Project, commit: str) -> dict[str, Entry]:
    try:
        return entries(project.objects, commit, [PATH, SIGNERS, *GROUND])
    except GitError:
        if project.mirror is None:
            raise
        return project.tree(commit, [PATH, SIGNERS, *GROUND])  # it was not brought yet


def _read(project: Project, commit: str) -> Rules:
    tree = _tree(project, commit)
    oids = [each.oid for each in tree.values() if each.kind == "blob"]
    if project.mirror is not None and tree:
        project.mirror.fetch_objects(oids)
    files = read_blobs(project.objects, oids, LIMIT)
    try:
        data = _file(project, commit, tree[PATH], files) if PATH in tree else None
    except NotFound:
        raise
    except RegistryError as error:
        raise Refused("policy-valid", error.what, error.where, error.fix) from None
    signers, fault = None, None
    try:
        signers = _file(project, commit, tree[SIGNERS], files) if SIGNERS in tree else None
    except RegistryError as error:  # whoever asks for signatures is told
        fault = error
    ground = tuple(tree[path].oid if path in tree else "" for path in GROUND)
    return Rules(project.where, commit, data, signers, fault, ground)


def _file(project: Project, commit: str, entry: Entry, files: Blobs) -> bytes:
    where = f"{project.where}: {commit[:7]}:{entry.path}"
    try:
        return files.data(file_entry(entry, entry.path, where).oid, where)
    except RegistryError as error:
        error.where = error.where or where
        raise


def parsed(data: bytes, where: str) -> Policy:
    """Read `policy.yaml`. Raises `Refused` (`policy-valid`)."""
    from registry.policy import parse_policy

    try:
        return parse_policy(data, where)
    except RegistryError as error:
        raise Refused("policy-valid", error.what, error.where or where, error.fix) from None
