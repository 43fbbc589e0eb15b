"""Commands about who may sign, and who signed."""

from __future__ import annotations

from datetime import datetime, timezone

import click

from registry.cli import options
from registry.cli.app import DONE, FAILED


@click.group()
def signers() -> None:
    """Who may sign in this registry, and whether tags are signed by them.

    Signers are listed in the file allowed_signers of the default branch, in the format of ssh-keygen(1).
    """


@signers.command("list")
@options.repo
@options.as_json
def list_(repo: str, as_json: bool) -> None:
    """List the signers: principals, keys, and when they are valid."""
    from registry.api.project import open_project
    from registry.api.signatures import require_signers
    from registry.render.table import table

    project = open_project(repo)
    project.refresh_head()
    found = require_signers(project).signers
    if as_json:
        options.print_json([each.json() for each in found])
        return
    rows = [
        {
            "principals": each.principals,
            "key": f"{each.fingerprint} ({each.key_type})",
            "for": each.namespaces or "*",
            "from": _moment(each.after),
            "until": _moment(each.before),
            "note": each.unused or each.comment,
        }
        for each in found
    ]
    click.echo(table(rows, empty="nobody may sign"))


@signers.command()
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@options.repo
@options.as_json
def check(tags: tuple[str, ...], repo: str, as_json: bool) -> int:
    """Say of each TAG whether its tagger signed it, as judged now.

    Exits with 1 where one is not signed, or not by a key that may sign for its tagger.

    \b
    Example:  registry signers check cost_predictor#prod#5
    """
    from registry.api.signatures import check_tags
    from registry.signaturerules import because

    found = check_tags(repo, tags)
    if as_json:
        options.print_json([each.json() for each in found])
    else:
        for each in found:
            why = because(each.event.email, each.verdict)
            said = f"signed by {each.principal} with {each.verdict.fingerprint}"
            click.echo(f"{each.event.ref}: {why or said}")
    return DONE if all(each.principal for each in found) else FAILED


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
