"""`consumers`: the repositories that use models of this registry, and what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from registry.cli import options

if TYPE_CHECKING:
    from registry.api.consuming import Unread


@click.group()
def consumers() -> None:
    """Know who runs what, by the registry.lock that other repositories committed.

    Consumers stand in consumers.yaml of the registry; `registry impact` asks them too.
    """


@consumers.command()
@click.argument("where", metavar="URL|PATH")
@click.option("--name", metavar="N", help="What to call it; by default the last part of its address.")
@click.option("--lock", metavar="FILE", default="registry.lock", show_default=True, help="Its lock file.")
@options.repo
@options.as_json
def add(where: str, name: str | None, lock: str, repo: str, as_json: bool) -> None:
    """Write a consumer into consumers.yaml, for you to commit.

    \b
    Example:  registry consumers add https://github.com/mycompany/pricing
    """
    from registry.api.consuming import add_consumer

    made = add_consumer(where, name, repo, lock=lock)
    if as_json:
        options.print_json(made._asdict())
        return
    click.echo(f"wrote {made.name} into consumers.yaml; commit it")


@consumers.command("list")
@options.repo
@options.as_json
def list_(repo: str, as_json: bool) -> None:
    """List the consumers.

    \b
    Example:  registry consumers list -r https://github.com/mycompany/model-registry
    """
    from registry.api.consuming import consumers as ask
    from registry.render.table import table

    rows: list[dict[str, str | None]] = [dict(each._asdict()) for each in ask(repo)]
    if as_json:
        options.print_json(rows)
        return
    click.echo(table(rows, empty="no consumers; see `registry consumers add`"))


@consumers.command()
@click.argument("name", metavar="NAME")
@options.repo
@options.as_json
def remove(name: str, repo: str, as_json: bool) -> None:
    """Take a consumer out of consumers.yaml, for you to commit.

    \b
    Example:  registry consumers remove pricing
    """
    from registry.api.consuming import remove_consumer

    gone = remove_consumer(name, repo)
    if as_json:
        options.print_json(gone._asdict())
        return
    click.echo(f"took {gone.name} out of consumers.yaml; commit it")


@consumers.command()
@options.name
@options.repo
@options.as_json
def who(name: str, repo: str, as_json: bool) -> None:
    """List who runs NAME, by the lock files that consumers committed.

    NAME is every version of an artifact, NAME@v1.0.3 one, NAME#prod the one that is in a stage now.

    \b
    Example:  registry consumers who cost_predictor#prod
    """
    from registry.api.consuming import who_runs
    from registry.render.table import table

    found = who_runs(name, repo)
    if as_json:
        told: dict[str, Any] = {"used": [each._asdict() for each in found.used]}
        options.print_json({**told, "unread": [each._asdict() for each in found.unread]})
        return
    cells: list[dict[str, str | None]] = [
        {
            "artifact": each.name,
            "version": each.version,
            "consumer": each.consumer,
            "by": asked(each.stage, each.wanted),
        }
        for each in found.used
    ]
    click.echo(table(cells, empty=f"no consumer is known to run {name}"))
    warn(found.unread)


def asked(stage: str | None, wanted: str | None) -> str:
    """What an entry of a lock file was locked for."""
    return f"stage {stage}" if stage else wanted or "latest"


def warn(unread: list[Unread]) -> None:
    """Say on standard error who could not be asked."""
    for each in unread:
        click.echo(f"warning: what {each.consumer} runs is not known: {each.reason} ({each.url})", err=True)
