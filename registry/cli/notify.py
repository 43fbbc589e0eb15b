"""`notify`: tell the policy's channels what happened."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from registry.cli import options
from registry.cli.app import DONE, FAILED

if TYPE_CHECKING:
    from registry.api.project import Project
    from registry.notice import Notice
    from registry.notifying.sending import Delivery


@click.command()
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="What this tag did; again for more, - reads names.")
@click.option("--since", metavar="TAG|TIME|REV", help="All that happened after a tag, a time or a commit.")
@click.option(
    "--refused", metavar="FILE", help="What a command refused, as its --json printed it; beside --tag or alone."
)
@click.option("--test", metavar="CHANNEL", help="Send a test message to this channel of policy.yaml.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent; nothing is.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what a webhook gets.")
@options.repo
@options.as_json
def notify(
    tags: tuple[str, ...],
    since: str | None,
    refused: str | None,
    test: str | None,
    dry_run: bool,
    schema: bool,
    repo: str,
    as_json: bool,
) -> int:
    """Tell Slack, webhooks and e-mail what happened, by the `notify` of the default branch's policy.yaml.

    Secrets are read from the environment variables that the policy names. Exits with 1 where a channel failed; the
    others have the message, and what happened stays as it is.

    \b
    Example:  registry notify --tag cost_predictor#prod#4
              registry notify --test SLACK_WEBHOOK_URL
    """
    if schema:
        from registry.notice import schema as found

        options.print_json(found())
        return DONE
    if sum((bool(tags or refused), since is not None, test is not None)) != 1:
        raise click.UsageError("Give one of --tag, --since, --test, --schema; --refused alone or beside --tag.")
    from registry.notifying.telling import notify as tell

    named = [name for tag in tags for name in (sys.stdin.read().split() if tag == "-" else [tag])]
    done = tell(repo, tags=named, since=since, notices=_refusals(refused, repo), test=test, dry_run=dry_run)
    if as_json:
        options.print_json([each.json() for each in done])
    else:
        for each in done:
            _tell(each, dry_run=dry_run)
        if not done:
            click.echo("nothing to tell")
    return FAILED if any(each.state == "failed" for each in done) else DONE


def _refusals(path: str | None, repo: str) -> list[Notice]:
    if path is None:
        return []
    from registry.api.project import open_project
    from registry.notifying.acts import read_refusals

    return read_refusals(path, open_project(repo))


def tell_by_itself(repo: str, make: Callable[[Project], Sequence[Notice]]) -> None:
    """Tell channels that ask for it what no tag records; whatever goes wrong is a warning, and nobody's failure."""
    from registry.errors import RegistryError
    from registry.notifying.acts import tell

    try:
        done = tell(repo, make)
    except RegistryError as error:
        click.echo(f"warning: nobody was told: {error.what}", err=True)
        return
    except Exception as error:  # noqa: BLE001 - a message is never the reason why a command fails
        click.echo(f"warning: nobody was told: a bug, {type(error).__name__}", err=True)
        return
    for each in done:
        if each.state == "failed":
            click.echo(f"warning: not sent to {each.channel}: {each.notice.title()}: {each.what}", err=True)
        else:
            click.echo(f"sent to {each.channel}: {each.notice.title()}", err=True)


def _tell(each: Delivery, *, dry_run: bool) -> None:
    title = each.notice.title()
    if each.state == "failed":
        click.echo(f"error: not sent to {each.channel}: {title}\n  why:   {each.what}\n  fix:   {each.fix}", err=True)
    else:
        click.echo(f"{'would send' if dry_run else 'sent'} to {each.channel}: {title}")
