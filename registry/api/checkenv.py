"""`checkenv`: whether a model would load here, told from its metafile alone; no byte of the model is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from registry.api.governing import trust_of
from registry.api.loading import bring_metafile
from registry.api.resolving import Resolved, resolve
from registry.errors import RegistryError
from registry.formats import Trust, environment, find, pickles
from registry.formats.environment import Need
from registry.metafile import Metafile


@dataclass(frozen=True)
class Environment:
    """What a model needs, and what of it is here."""

    resolved: Resolved
    rule: str
    """`strict`, `compatible` or `ignore`."""
    needs: tuple[Need, ...]
    problems: tuple[str, ...]
    """What no installation mends: a model type without a format, a format that the policy does not admit."""

    @property
    def blocking(self) -> tuple[Need, ...]:
        """The needs that keep the model from being loaded."""
        return environment.blocking(self.needs, self.rule)

    @property
    def loads(self) -> bool:
        """Whether the model would load."""
        return not self.blocking and not self.problems

    @property
    def install(self) -> str:
        """The command that mends what is missing or wrong; empty where nothing is."""
        return environment.install(self.blocking) if self.blocking else ""


def checkenv(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    *,
    requirements: str | None = None,
) -> Environment:
    """Hold what a model needs against what is installed here. Raises as `load` where its metafile cannot be had."""
    rule = environment.mode(requirements)
    resolved = resolve(name, stage, version, rev, project)
    metafile = bring_metafile(resolved)
    return Environment(
        resolved,
        rule,
        environment.needs(metafile),
        tuple(_problems(metafile, trust_of(resolved.policy, signed=resolved.signed))),
    )


def _problems(metafile: Metafile, trust: Trust) -> list[str]:
    found = []
    for name, processor in metafile.processors.items():
        try:
            find(processor.type)
            if processor.io in pickles.READERS:
                pickles.require_allowed(trust, processor.io)
        except RegistryError as error:
            found.append(f"processor {name[:80]!r}: {error.what}")
    return found
