"""`which` and `latest`: one version on standard output, and nothing else loaded."""

from __future__ import annotations

import click

from registry.cli import options


@click.command()
@options.name
@options.stage_argument
@options.repo
@options.as_json
@options.as_gto
def which(name: str, stage: str, repo: str, as_json: bool, as_gto: bool) -> None:
    """Print the version of NAME that STAGE holds now.

    \b
    Example:  registry which cost_predictor prod -r https://github.com/mycompany/model-registry
    """
    from registry.api.holding import which as ask

    found = ask(name, stage, repo, as_gto=as_gto)
    if as_json:
        from registry.views import event_view

        options.print_json(event_view(found.event, found.version.label))
    else:
        click.echo(found.version.label)


@click.command()
@options.name
@options.repo
@options.as_json
def latest(name: str, repo: str, as_json: bool) -> None:
    """Print the greatest version of NAME that was not cancelled; releases before prereleases."""
    from registry.api.holding import latest as ask

    found = ask(name, repo)
    if as_json:
        from registry.views import event_view

        options.print_json(event_view(found.events[-1], found.label))
    else:
        click.echo(found.label)
