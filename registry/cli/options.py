"""Options and arguments that several commands share, with their shell completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete an artifact's name."""
    return [name for name in _state(ctx) if name.startswith(incomplete)]


def _stages(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    stages = {stage for artifact in _state(ctx).values() for stage in artifact.stages}
    return sorted(stage for stage in stages if stage.startswith(incomplete))


def _versions(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    name = ctx.params.get("name") or next(iter(ctx.args), "")  # arguments are parsed once options are whole
    artifact = _state(ctx).get(name)
    return [v.label for v in artifact.active_versions() if v.label.startswith(incomplete)] if artifact else []


def _state(ctx: click.Context) -> dict[str, Any]:
    """State of a local registry; completion never goes to the network and never fails."""
    from registry.api.project import open_project
    from registry.errors import RegistryError
    from registry.state import fold

    try:
        project = open_project(ctx.params.get("repo") or ".")
        return {} if project.mirror else fold(project.scan().events)
    except RegistryError:
        return {}


def repo(command: F) -> F:
    """`-r/--repo`: a path or any git URL."""
    return click.option(
        "-r", "--repo", default=".", show_default=True, metavar="PATH|URL", help="The registry: a folder or a git URL."
    )(command)


def name(command: F) -> F:
    """The artifact."""
    return click.argument("name", shell_complete=names)(command)


def stage_argument(command: F) -> F:
    """The stage, as an argument."""
    return click.argument("stage", shell_complete=_stages)(command)


def stage(*, required: bool = True, text: str = "The stage.") -> Callable[[F], F]:
    """`--stage`."""
    return click.option("--stage", required=required, shell_complete=_stages, help=text)


def version(text: str = "The version, such as v1.0.3.") -> Callable[[F], F]:
    """`--version`."""
    return click.option("--version", "--ver", "version", shell_complete=_versions, help=text)


def as_json(command: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def as_gto(command: F) -> F:
    """`--as-gto`."""
    text = "Count every event, as gto does, also those that the policy does not accept."
    return click.option("--as-gto", "as_gto", is_flag=True, help=text)(command)


def print_json(value: object) -> None:
    """Print a value as JSON, indented as gto does."""
    import json

    click.echo(json.dumps(value, indent=4))
