"""`server-hook`: self-hosted git refuses the push itself."""

from __future__ import annotations

import os
import sys

import click

from registry.cli import options
from registry.cli.app import DONE, FAILED
from registry.plural import plural

BARE = click.option(
    "--bare", "folder", default=".", metavar="DIR", help="The repository that receives pushes; by default this folder."
)


@click.group("server-hook")
def server_hook() -> None:
    """A hook for self-hosted git that judges each push, and refuses what policy and ledger do not allow."""


@server_hook.command()
@BARE
@options.as_json
def install(folder: str, as_json: bool) -> None:
    """Write the hook `pre-receive` of a repository.

    A hook that is there already is kept, and runs first.

    \b
    Example:  registry server-hook install --bare /srv/git/registry.git
    """
    from registry.git.receive import install as write

    hook = write(folder)
    if as_json:
        options.print_json({"hook": str(hook)})
    else:
        click.echo(f"wrote {hook}")


@server_hook.command()
@BARE
@options.as_json
def uninstall(folder: str, as_json: bool) -> None:
    """Remove the hook, and put back the one that was there before."""
    from registry.git.receive import uninstall as remove

    hook = remove(folder)
    if as_json:
        options.print_json({"hook": str(hook) if hook else None})
    else:
        click.echo(f"removed {hook}" if hook else "there is no hook of ours")


@server_hook.command()
@BARE
@options.as_json
def run(folder: str, as_json: bool) -> int:
    """Judge the push that git tells on standard input; git runs this itself.

    Exits with 1 where the push is refused; whoever pushes reads why.
    """
    from registry.api.receiving import judge_push
    from registry.git.process import quarantined
    from registry.received import parse_updates

    path = os.path.realpath(folder)
    with quarantined(path, os.environ):
        found = judge_push(path, parse_updates(line for line in sys.stdin.read().splitlines() if line))
    if as_json:
        options.print_json([each.json() for each in found])
    elif found:
        click.echo(f"registry: refused, {plural(len(found), 'reason')}; nothing of this push was taken", err=True)
        for each in found:
            click.echo(f"{each.id}\n  what:  {each.message}\n  where: {each.ref}\n  fix:   {each.fix}", err=True)
    return FAILED if found else DONE
