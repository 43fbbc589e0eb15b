"""`interface`: what a model takes and gives, as text, as a contract, and what changed between two."""

from __future__ import annotations

import os

import click

from registry.cli import options
from registry.cli.app import FAILED


@click.group()
def interface() -> None:
    """Show, export or compare the interface of a model: methods, arguments, types. Nothing is deserialised.

    NAME is an artifact, NAME@v1.0.3 one version, NAME#prod the version in a stage; alone it is the latest version.
    """


@interface.command()
@click.argument("name", shell_complete=options.names)
@options.repo
@options.as_json
def show(name: str, repo: str, as_json: bool) -> None:
    """Print the interface of NAME.

    \b
    Example:  registry interface show cost_predictor#prod
    """
    from registry.api.interfaces import describe

    found = describe(name, repo)
    if as_json:
        options.print_json({**_which(found.resolved), "methods": found.interface.to_dict()})
        return
    from registry.render.interface import as_text

    click.echo(as_text(found.interface))


@interface.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=options.names)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="File to write, for one NAME; interfaces/NAME.yaml of the registry by default.",
)
@options.repo
@options.as_json
def export(names: tuple[str, ...], output: str | None, repo: str, as_json: bool) -> None:
    """Write the interface of each NAME as a contract, which `check` then holds new models to.

    The file is written, never committed.

    \b
    Example:  registry interface export cost_predictor#prod
    """
    from registry.api.interfaces import export as write

    if output is not None and len(names) > 1:
        raise click.UsageError("Give one NAME with --output.")
    paths = [write(name, output, repo) for name in names]
    if as_json:
        options.print_json([str(path) for path in paths])
        return
    for path in paths:
        click.echo(f"wrote {os.path.relpath(path)}")


@interface.command()
@options.name
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@options.repo
@options.as_json
def diff(name: str, old: str, new: str, repo: str, as_json: bool) -> int:
    """Print what changed in the interface of NAME from A to B, and the least version that it asks for.

    A and B are versions, stages (#prod) or revisions of the registry. Exits with 1 when a change is breaking.

    \b
    Example:  registry interface diff cost_predictor '#prod' HEAD
    """
    from registry.api.interfaces import compare

    found = compare(name, old, new, repo)
    if as_json:
        told = {
            "name": name,
            "from": _which(found.old.resolved),
            "to": _which(found.new.resolved),
            "changes": [change._asdict() for change in found.diff.changes],
            "breaking": found.diff.breaking,
            "bump": found.bump,
            "least_version": found.least,
        }
        options.print_json(told)
    else:
        from registry.render.interface import diff_as_text

        click.echo(diff_as_text(found.diff))
        click.echo(f"least bump: {found.bump}" + (f", {found.least} after {old}" if found.least else ""))
    return FAILED if found.diff.breaking else 0


def _which(resolved: object) -> dict[str, object]:
    """What was resolved."""
    keys = ("name", "version", "stage", "commit", "source_commit")
    return {key: getattr(resolved, key) for key in keys}
