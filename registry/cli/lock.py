"""Commands about what may be used here for ever: lock, forget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from registry.cli import options

if TYPE_CHECKING:
    from registry.api.locking import Change


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=options.names)
@options.stage(required=False, text="Lock what the stage holds; with --check, the stage that must hold what is locked.")
@options.version("Lock a version, or the greatest of a range: v1.2.0, '>=1.2,<2', '^1.4'.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 and tell what moved since it was locked.")
@click.option("--upgrade", is_flag=True, help="Lock anew what was asked for, of the NAMEs or of all.")
@click.option("--remove", is_flag=True, help="Take the NAMEs out.")
@click.option(
    "-f",
    "--file",
    default=None,
    metavar="FILE",
    help="The lock file; else REGISTRY_LOCK or the nearest registry.lock.",
)
@options.repo
@options.as_json
@click.pass_context
def lock(
    ctx: click.Context,
    names: tuple[str, ...],
    stage: str | None,
    version: str | None,
    check: bool,
    upgrade: bool,
    remove: bool,
    file: str | None,
    repo: str,
    as_json: bool,
) -> int:
    """Write registry.lock: exactly which version of each NAME is used, down to every digest.

    Without a NAME it prints what is locked. What is locked stays until it is upgraded; `registry.load(…, locked=True)`
    and REGISTRY_LOCKED=1 use exactly that.

    \b
    Examples:  registry lock cost_predictor --stage prod -r https://github.com/mycompany/model-registry
               registry lock --check --stage prod
    """
    from registry.api import locking

    _require_sense(ctx)
    if check:
        return _check(names, stage, file, as_json)
    if upgrade:
        changes = locking.upgrade_lock(names, file)
    elif remove:
        changes = locking.unlock(names, file)
    elif names:
        changes = [locking.lock(name, stage, version, repo, lock=file) for name in names]
    else:
        changes = [locking.Change(entry, entry) for entry in locking.read_lock(file)]
    _print(changes, as_json)
    return 0


def _require_sense(ctx: click.Context) -> None:
    """Raise `UsageError` for options that say nothing together."""
    names, check, upgrade, remove = (ctx.params[key] for key in ("names", "check", "upgrade", "remove"))
    if check + upgrade + remove > 1:
        raise click.UsageError("--check, --upgrade and --remove exclude each other.", ctx)
    adding = bool(names) and not (check or upgrade or remove)
    if (ctx.params["version"] and not adding) or (ctx.params["stage"] and not (adding or check)):
        raise click.UsageError("--stage and --version say what to lock: name it.", ctx)
    if ctx.get_parameter_source("repo") is not ParameterSource.DEFAULT and not adding:
        raise click.UsageError("The registry of what is locked stands in the file: leave --repo out.", ctx)
    if remove and not names:
        raise click.UsageError("Name what to remove.", ctx)


def _check(names: Sequence[str], stage: str | None, file: str | None, as_json: bool) -> int:
    from registry.api.lockcheck import check_lock

    found = check_lock(names, stage, file)
    if as_json:
        options.print_json([each.json() for each in found])
    else:
        for each in found:
            click.echo(f"{each.entry.asked}: {each.entry.version}, {'not as locked' if each.problems else 'as locked'}")
            for problem in each.problems:
                click.echo(f"  {problem.kind}: {problem.message}")
    return 1 if any(each.problems for each in found) else 0


def _print(changes: Sequence[Change], as_json: bool) -> None:
    from registry.lockfile import view

    if as_json:
        told: list[dict[str, Any]] = []
        for before, after in changes:
            entry = after or before
            if entry is not None:
                old = before.version if before else None
                told.append({**view(entry), "before": old, "changed": before != after, "removed": after is None})
        options.print_json(told)
        return
    for before, after in changes:
        click.echo(_told(before, after))


def _told(before: Any, after: Any) -> str:
    if after is None:
        return f"{before.asked}: removed"
    if before is None:
        return f"{after.asked}: locked {after.version} ({after.tag}, source {after.rev} at {after.source_commit[:7]})"
    if before == after:
        return f"{after.asked}: {after.version}, source {after.rev} at {after.source_commit[:7]}"
    return f"{after.asked}: {before.version} -> {after.version}, source {after.rev} at {after.source_commit[:7]}"


@click.command()
@click.argument("artifact", metavar="[NAME[@VERSION]]", required=False, shell_complete=options.names)
@click.option("--policy", is_flag=True, help="Forget the newest policy that was seen instead.")
@click.option("--ledger", is_flag=True, help="Forget the newest tip of the registry's ledger instead.")
@options.repo
@options.as_json
def forget(artifact: str | None, policy: bool, ledger: bool, repo: str, as_json: bool) -> None:
    """Forget what this machine saw first of a version, or of all of an artifact; or the newest policy or ledger it saw.

    The next sight counts as the first. That is how a version that was refused as `moved` is accepted, a policy that was
    refused as `policy-older` or `policy-changed`, or a ledger that was refused as rewound, once somebody has said why.
    The registry itself is not asked.

    \b
    Example:  registry forget cost_predictor@v1.0.0 -r https://github.com/mycompany/model-registry
    """
    if [artifact is not None, policy, ledger].count(True) != 1:
        raise click.UsageError("Name what to forget: NAME, NAME@VERSION, --policy or --ledger.")
    if artifact is not None:
        _forget_seen(artifact, repo, as_json=as_json)
    elif policy:
        _forget_policy(repo, as_json=as_json)
    else:
        _forget_ledger(repo, as_json=as_json)


def _forget_seen(artifact: str, repo: str, *, as_json: bool) -> None:
    from registry.api.firstsight import forget as drop

    name, _, version = artifact.partition("@")
    gone = drop(name, version or None, repo)
    if as_json:
        options.print_json({each: {**seen._asdict(), "tags": dict(seen.tags)} for each, seen in gone.items()})
        return
    for each, seen in gone.items():
        click.echo(f"forgot {name}@{each}: commit {seen.commit}, link {seen.link}")


def _forget_policy(repo: str, *, as_json: bool) -> None:
    from registry.api.newestpolicy import forget_policy

    gone = forget_policy(repo)
    if as_json:
        options.print_json(gone._asdict())
    else:
        click.echo(f"forgot policy version {gone.version}, SHA-256 {gone.sha256}")


def _forget_ledger(repo: str, *, as_json: bool) -> None:
    from registry.api.tips import forget_ledger

    gone = forget_ledger(repo)
    if as_json:
        options.print_json(gone._asdict())
    else:
        click.echo(f"forgot the ledger's tip: entry {gone.sequence} at {gone.commit}")
