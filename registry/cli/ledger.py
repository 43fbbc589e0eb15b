"""`ledger`: the record of what was accepted, verified, read, begun and repaired."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from registry.cli import options
from registry.cli.app import FAILED
from registry.plural import plural

if TYPE_CHECKING:
    from registry.api.ledgers import Logged


@click.group()
def ledger() -> None:
    """The ledger of a registry: the branch `ledger`, which records each accepted event and is only appended to."""


@ledger.command()
@click.option(
    "--stage", "stages", multiple=True, metavar="STAGE", help="Only tags of this stage must be recorded; repeatable."
)
@options.repo
@options.as_json
def verify(stages: tuple[str, ...], repo: str, as_json: bool) -> int:
    """Verify the whole ledger: its rules, its tree, and the tags against it.

    Exits with 1 when anything is wrong.
    """
    from registry.api.ledgercheck import verify_ledger

    report = verify_ledger(repo, governed=stages or None)
    if as_json:
        findings = [finding.json() for finding in report.findings]
        options.print_json({"entries": report.entries, "commits": report.commits, "findings": findings})
    else:
        from registry.render.findings import as_text

        counted = f"{plural(report.entries, 'entry', 'entries')} in {plural(report.commits, 'commit', 'commits')}"
        click.echo(as_text(report.findings, nothing=f"{counted}, no findings"))
    return 0 if report.passed else FAILED


@ledger.command()
@click.argument("name", required=False, shell_complete=options.names)
@options.version("Entries about this version only.")
@options.stage(required=False, text="Entries about this stage only.")
@click.option("-n", "--max-count", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@options.repo
@options.as_json
def log(
    name: str | None, version: str | None, stage: str | None, max_count: int | None, repo: str, as_json: bool
) -> None:
    """Print the entries, newest first, of all artifacts or of NAME.

    \b
    Example:  registry ledger log cost_predictor --stage prod
    """
    from registry.api.ledgers import ledger_log

    found = islice(ledger_log(repo, name=name, version=version, stage=stage), max_count)
    if as_json:
        options.print_json([each.json() for each in found])
        return
    from registry.render.table import table

    click.echo(table([_row(each) for each in found], empty="no such entry"))


def _row(found: Logged) -> dict[str, str | None]:
    entry = found.entry
    told = {"entry": str(entry.sequence), "time": _time(entry.time), "kind": entry.kind}
    return {**told, "name": entry.name, "version": entry.version, "stage": entry.stage, "actor": entry.actor}


def _time(seconds: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")


@ledger.command()
@click.argument("what", metavar="NAME[@VERSION|#STAGE]", shell_complete=options.names)
@options.repo
@options.as_json
def show(what: str, repo: str, as_json: bool) -> None:
    """Print the newest entry about a stage, a version, or anything of an artifact, with the commit that holds it.

    \b
    Example:  registry ledger show 'cost_predictor#prod'
    """
    from registry.api.ledgers import ledger_show

    told = ledger_show(what, repo).json()
    if as_json:
        options.print_json(told)
        return
    for key, value in told.items():
        if value not in (None, [], False):
            shown = ", ".join(value) if isinstance(value, list) else value
            click.echo(f"{key}: {_time(value) if key == 'time' and isinstance(value, int) else shown}")


@ledger.command()
@click.option("--write", is_flag=True, help="Where the tree is damaged, write a sound log to ledger-rebuilt.")
@click.option("--force", is_flag=True, help="Write it over the branch ledger of this clone.")
@options.repo
@options.as_json
def rebuild(write: bool, force: bool, repo: str, as_json: bool) -> int:
    """Compute the ledger's tree anew from its log, and compare.

    Exits with 1 when they differ and nothing was written.
    """
    from registry.api.ledgercheck import rebuild as compute

    done = compute(repo, write=write, force=force)
    if as_json:
        options.print_json({**done._asdict(), "damaged": list(done.damaged)})
    elif not done.damaged:
        click.echo(f"the tree {done.tree} is the fold of the log")
    else:
        click.echo(f"{plural(len(done.damaged), 'commit has', 'commits have')} another tree than the log says:")
        for oid in done.damaged:
            click.echo(f"  {oid}")
        if done.written:
            click.echo(f"wrote {done.written} at {done.commit}")
    return FAILED if done.damaged and not done.written else 0


@ledger.command()
@click.option("--push", is_flag=True, help="Push it to origin; of a URL it always is.")
@click.option("--sign/--no-sign", default=None, help="Sign the commit; by default as commit.gpgSign says.")
@options.repo
@options.as_json
def adopt(push: bool, sign: bool | None, repo: str, as_json: bool) -> None:
    """Begin the ledger with the tags that the registry has already.

    It is one commit on the branch `ledger`. Refused where there is a ledger.

    \b
    Example:  registry ledger adopt --push
    """
    from registry.api.adopting import adopt as begin
    from registry.api.appending import Recorder

    done = begin(repo, Recorder(push=push, sign=sign))
    if as_json:
        options.print_json({"commit": done.head.commit, "entries": len(done.entries), "pushed": done.pushed})
        return
    where = "Pushed" if done.pushed else "Wrote"
    click.echo(f"{where} branch 'ledger' with {plural(len(done.entries), 'entry', 'entries')}: {done.head.commit}")
