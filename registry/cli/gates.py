"""`gates`: what the policy asks of a version before it enters a stage."""

from __future__ import annotations

import click

from registry.cli import options
from registry.cli.app import FAILED
from registry.cli.progress import Progress

custom_option = click.option(
    "--custom-checks", is_flag=True, help="Run the checks in scripts/checks of the default branch: programs."
)


@click.command()
@options.name
@click.option("--version", "--ver", "version", required=True, help="The version, such as v1.0.3.")
@options.stage(text="The stage it would enter.")
@custom_option
@options.repo
@options.as_json
def gates(name: str, version: str, stage: str, custom_checks: bool, repo: str, as_json: bool) -> int:
    """Run the gates of a stage on a version; nothing is changed.

    Each gate of the default branch's policy is told with its verdict and the reason. Read is what is committed: link
    and card of the version, reports and suites of the default branch. Exits with 1 when a gate fails.

    \b
    Example:  registry gates cost_predictor --version v1.1.0 --stage prod
    """
    from registry.api.gating import check_gates as run
    from registry.render import gates as render

    with Progress("gates", quiet=as_json) as progress:
        found = run(name, version, stage, repo, custom=custom_checks, progress=progress.step)
    if as_json:
        options.print_json(render.as_json(found, name, version, stage))
    else:
        for line in render.lines(found, name, version, stage):
            click.echo(line)
    return 0 if found.passed else FAILED
