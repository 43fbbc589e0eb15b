"""`notify`: tell the policy's channels what happened."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from registry.cli import options
from registry.cli.app import DONE, FAILED

if TYPE_CHECKING:
    from registry.notifying.sending import Delivery


@click.command()
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="What this tag did; again for more, - reads names.")
@click.option("--since", metavar="TAG|TIME|REV", help="All that happened after a tag, a time or a commit.")
@click.option("--test", metavar="CHANNEL", help="Send a test message to this channel of policy.yaml.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent; nothing is.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of what a webhook gets.")
@options.repo
@options.as_json
def notify(
    tags: tuple[str, ...], since: str | None, test: str | None, dry_run: bool, schema: bool, repo: str, as_json: bool
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
    if sum((bool(tags), since is not None, test is not None)) != 1:
        raise click.UsageError("Give one of --tag, --since, --test, --schema.")
    from registry.notifying.telling import notify as tell

    named = [name for tag in tags for name in (sys.stdin.read().split() if tag == "-" else [tag])]
    done = tell(repo, tags=named, since=since, test=test, dry_run=dry_run)
    if as_json:
        options.print_json([each.json() for each in done])
    else:
        for each in done:
            _tell(each, dry_run=dry_run)
        if not done:
            click.echo("nothing to tell")
    return FAILED if any(each.state == "failed" for each in done) else DONE


def _tell(each: Delivery, *, dry_run: bool) -> None:
    title = each.notice.title()
    if each.state == "failed":
        click.echo(f"error: not sent to {each.channel}: {title}\n  why:   {each.what}\n  fix:   {each.fix}", err=True)
    else:
        click.echo(f"{'would send' if dry_run else 'sent'} to {each.channel}: {title}")
