"""`evaluate`: a model on a locked data set, compared with what a stage holds."""

from __future__ import annotations

import json
import os

import click

from registry.cli import options
from registry.cli.progress import Progress, Transfers


@click.command()
@click.argument("name", shell_complete=options.names)
@click.option("--suite", required=True, metavar="FILE", help="The suite, such as evaluations/quality.yaml.")
@click.option(
    "--against", metavar="STAGE|VERSION", help="What to compare with, instead of the suite's; none for nothing."
)
@click.option(
    "--custom-metrics", is_flag=True, help="Run the metrics in scripts/metrics of the default branch: programs."
)
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@options.repo
@options.as_json
def evaluate(
    name: str, suite: str, against: str | None, custom_metrics: bool, markdown: bool, repo: str, as_json: bool
) -> None:
    """Evaluate NAME on a suite's locked data, and compare it with the model that runs now.

    NAME is an artifact, NAME@v1.0.3 one version, NAME@HEAD the link at a revision, NAME#prod the version in a stage;
    alone it is the latest version. The report is written below evaluations/reports, never committed.

    \b
    Example:  registry evaluate cost_predictor@HEAD --suite evaluations/quality.yaml --against prod
    """
    from registry.api.evaluating import evaluate as run
    from registry.evaluation import format_report
    from registry.render.evaluation import as_markdown, as_text

    quiet = as_json or markdown
    with Transfers(quiet=quiet) as transfers, Progress("evaluating", quiet=quiet) as progress:
        found = run(
            name,
            suite,
            repo,
            against=against,
            functions=custom_metrics,
            progress=progress.step,
            transfers=transfers.step,
        )
    if as_json:
        options.print_json(json.loads(format_report(found.report)))
    elif markdown:
        click.echo(as_markdown(found.report), nl=False)
    else:
        click.echo(as_text(found.report))
        if found.path is not None:
            click.echo(f"wrote {os.path.relpath(found.path)}")
