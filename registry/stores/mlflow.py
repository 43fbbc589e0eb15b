"""Models of an MLflow tracking server: the artifacts of a run, or of a model's version.

A link names `runs/<run id>/<artifact path>` (in MLflow 3 the name, or the id, of a model that the run logged) or
`models/<name>/<version>`; its rev is the run's id. Rules: an alias is looked up when a link is made and never written
down; before anything is downloaded the server must still know the run, as active, and a version must still be
of that run: numbers are given out again after a delete. A key is the artifact's own place: `mlflow-artifacts:/…`, which
the server hands out, or a URL, which the store of URLs reads. Folders of the server's machine are no place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import NamedTuple
from urllib.parse import urlsplit

from registry.cache.transfer import Stream
from registry.containment import contained, contained_url
from registry.errors import NotFound, Refused, RegistryError
from registry.git.source import RUN, Revision, Source
from registry.mlmodel import NAME
from registry.stores import MLFLOW, Held, Opening
from registry.stores.mlflow_server import Listed, Lister, Server, explained, text, texts, walk
from registry.stores.url import Urls
from registry.urls import Address

PROXIED = "mlflow-artifacts:/"
RUN_ID = re.compile(r"[0-9a-f]{32}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_RUN = re.compile(r"runs:?/([0-9a-f]{32})/(.+)")
_VERSION = re.compile(r"models:?/([^/:@]+)/([1-9][0-9]{0,9})")
_ALIAS = re.compile(r"models:?/([^/:@]+)@([A-Za-z0-9_.-]+)")
_FIX = "name runs/<run id>/<artifact path> or models/<name>/<version>"
_CHANGED = "find out who changed it at the server; link the model anew in a pull request"


class Located(NamedTuple):
    """Where the files of a model are."""

    root: str
    """The URI that they lie below."""
    lister: Lister


class TrackedSource(Source):
    """One run's or version's artifacts, where others have a repository: nothing here asks git."""

    def __init__(self, address: Address, path: str) -> None:  # no mirror is made: nothing of git's is here
        self.address = address
        self.mirror = None
        self.path = ""
        self.server = Server(address.text)
        self.asked = path

    @cached_property
    def model_path(self) -> str:
        """The path as a link names it; an alias is looked up here. Raises `Refused`, `NotFound`."""
        path = self.asked.strip("/")
        if run := _RUN.fullmatch(path):
            return f"runs/{run[1]}/{contained(run[2], 'the path of artifacts', self.where)}"
        if version := _VERSION.fullmatch(path):
            return f"models/{version[1]}/{version[2]}"
        if alias := _ALIAS.fullmatch(path):
            found = self._ask("registered-models/alias", name=alias[1], alias=alias[2])
            number = text(found, "model_version", "version")
            if _VERSION.fullmatch(f"models/{alias[1]}/{number}"):
                return f"models/{alias[1]}/{number}"
        raise Refused("revision-pinned", f"{path[:200]!r} names no run and no version of MLflow", self.where, _FIX)

    @cached_property
    def version(self) -> dict[str, object] | None:
        """What the server says of the version; none where the path names a run. Raises `NotFound`, `Refused`."""
        match = _VERSION.fullmatch(self.model_path)
        if match is None:
            return None
        found = self._ask("model-versions/get", name=match[1], version=match[2])
        if (text(found, "model_version", "name"), text(found, "model_version", "version")) != (match[1], match[2]):
            raise Refused("revision-pinned", "the server answered with another version", self.where, _CHANGED)
        return found

    @cached_property
    def run_id(self) -> str:
        """The run that it is of. Raises `NotFound`, `Refused`."""
        match = _RUN.fullmatch(self.model_path)
        found = match[1] if match else text(self.version or {}, "model_version", "run_id")
        if not RUN_ID.fullmatch(found):
            raise Refused(
                "revision-pinned",
                f"{self.model_path} is of no run: nothing says where it comes from",
                self.where,
                "log the model in a run, and link that",
            )
        return found

    @cached_property
    def run(self) -> dict[str, object]:
        """What the server says of the run, which must be active. Raises `NotFound`, `Refused`."""
        found = self._ask("runs/get", run_id=self.run_id)
        if text(found, "run", "info", "run_id") != self.run_id:
            raise Refused("revision-pinned", "the server answered with another run", self.where, _CHANGED)
        if text(found, "run", "info", "lifecycle_stage") != "active":
            raise NotFound(f"run {self.run_id} is deleted", self.where, "restore it at the server")
        return found

    @property
    def commit(self) -> str | None:
        """The git commit that the run says it was made at."""
        tags = {text(tag, "key"): text(tag, "value") for tag in texts(self.run, "run", "data", "tags")}
        found = tags.get("mlflow.source.git.commit", "")
        return found if _COMMIT.fullmatch(found) else None

    def files(self) -> dict[str, Held]:
        """Every file, by its path from the model's folder. Raises `NotFound`, `Refused`."""
        root, lister = self._located()
        try:
            sizes = walk(lister, self.where)
        except RegistryError as error:
            raise explained(error) from None
        place = self._place(root)
        return {
            name: Held(f"{self.model_path}/{name}", f"{place}/{name}", size, MLFLOW) for name, size in sizes.items()
        }

    def _located(self) -> Located:
        info = self.run
        above = text(info, "run", "info", "artifact_uri").rstrip("/")
        if self.version is None:
            return self._of_run(above, self.model_path.split("/", 2)[2])
        said = text(self.version, "model_version", "source").rstrip("/")
        if match := re.fullmatch(rf"models:/+({_MODEL_ID.pattern})", said):
            return self._of_model(match[1])
        below = said.removeprefix(f"{above}/") if above else said
        if match := _RUN.fullmatch(said):
            below = match[2] if match[1] == self.run_id else said
        if below == said:
            raise Refused(
                "source-url", f"{self.model_path} does not lie among the artifacts of its run", self.where,
                "register a model that its run logged",
            )  # fmt: skip
        return self._of_run(above, contained(below, "the path of the version", self.where))

    def _of_run(self, above: str, path: str) -> Located:
        """An artifact path of the run, or a model that the run logged, by name or id (MLflow 3); never both."""
        lister = self.server.of_run(self.run_id, path)
        beside = any(entry.path == NAME for entry in self._listed(lister))
        ids = [text(each, "model_id") for each in texts(self.run, "run", "outputs", "model_outputs")]
        known = [each for each in dict.fromkeys(ids) if _MODEL_ID.fullmatch(each)]
        logged = [path] if path in known else [each for each in known if self._name(each) == path]
        if len(logged) + beside > 1:
            named = ", ".join(f"runs/{self.run_id}/{each}" for each in logged[:5])
            raise Refused("revision-pinned", f"the run has several models {path!r}", self.where, f"name one: {named}")
        if logged:
            return self._of_model(logged[0])
        if not beside:
            raise NotFound(f"there is no {NAME} in {self.model_path}", self.where, "log a model there")
        return Located(f"{above}/{path}", lister)

    def _of_model(self, model_id: str) -> Located:
        found = self._ask(f"logged-models/{model_id}")
        if text(found, "model", "info", "source_run_id") != self.run_id:
            raise Refused("revision-pinned", f"{model_id} was not logged by run {self.run_id}", self.where, _CHANGED)
        return Located(text(found, "model", "info", "artifact_uri").rstrip("/"), self.server.of_model(model_id))

    def _name(self, model_id: str) -> str:
        return text(self._ask(f"logged-models/{model_id}"), "model", "info", "name")

    def _listed(self, lister: Lister) -> list[Listed]:
        try:
            return list(lister(""))
        except RegistryError as error:
            raise explained(error) from None

    def _ask(self, endpoint: str, **query: str) -> dict[str, object]:
        try:
            return self.server.ask(endpoint, **query)
        except RegistryError as error:
            raise explained(error) from None

    def _place(self, root: str) -> str:
        """The URI as a key begins with it. Raises `Refused` for a place that is not one for everybody."""
        parts = urlsplit(root)
        if parts.scheme == PROXIED[:-2] and parts.netloc in {"", urlsplit(self.server.url).netloc}:
            return PROXIED + contained(parts.path.lstrip("/"), "the place of artifacts", self.where)
        if parts.scheme in {"s3", "gs", "https", "http"}:
            return contained_url(root, "the place of artifacts", self.where)
        raise Refused(
            "source-url",
            f"the artifacts lie in {root[:200]!r}, which only the server's own machine can read",
            self.where,
            "let the server hand them out (mlflow server --artifacts-destination), or keep them in S3",
        )

    def resolve(self, revision: str) -> Revision:
        """The run; a revision of a model is nothing else. Raises `Refused`."""
        if not RUN_ID.fullmatch(revision):
            raise Refused("revision-pinned", f"{revision[:80]!r} is no run id of MLflow", self.where, _FIX)
        return Revision(revision, RUN, None)

    def bring(self, commit: str) -> None:
        """Ask whether the server still knows the run, and the version as one of that run.

        Raises `NotFound`, `Refused` (`tag-moved`).
        """
        if self.run_id != commit:
            raise Refused(
                "tag-moved", f"{self.model_path} is of run {self.run_id} now, not of {commit}", self.where, _CHANGED
            )
        _ = self.run

    def reaches(self, commit: str) -> bool:
        """Whether it is of this run, which was asked for before."""
        return self.run_id == commit

    def refs(self) -> dict[str, str]:
        """None: a server of runs has no branches and tags."""
        return {}

    def bring_together(self, oids: Sequence[str]) -> None:
        """Nothing: there are no git objects."""

    def bring_blobs(self, oids: Iterable[str]) -> None:
        """Nothing: there are no git objects."""


class Mlflow:
    """The store of tracked artifacts; a key is the place that the server named."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:  # noqa: ARG002 - see `TrackedSource`
        """Nothing of a repository."""
        return {}

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:
        """Ask for the run first, then each file by itself."""
        if not isinstance(source, TrackedSource):
            raise Refused(
                "store-known", "a repository holds nothing in MLflow", source.where, "link it again: `registry link`"
            )  # fmt: skip
        source.bring(commit)
        elsewhere = [each for each in held if not each.key.startswith(PROXIED)]
        by_url = Urls().opening(source, commit, elsewhere)
        for each in held:
            if each not in elsewhere:
                contained(each.key.removeprefix(PROXIED), "the link's key", source.where)

        def opened(one: Held, offset: int) -> AbstractContextManager[Stream]:
            if one in elsewhere:
                return by_url(one, offset)
            return _opened(source.server, one.key.removeprefix(PROXIED), offset)

        return opened


@contextmanager
def _opened(server: Server, path: str, offset: int) -> Iterator[Stream]:
    try:
        with server.open(path, offset) as stream:
            yield stream
    except RegistryError as error:
        raise explained(error) from None
