"""`import` and `export`: bundles, and the registries of MLflow, gto and MLEM.

A bundle is what is meant where no such registry is named, so `import FILE` and `export NAMES… -o FILE` stay as short as
they are; a file that is named like one of them is reached by its path (`./mlflow`), an artifact after `-o FILE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from registry.cli import cache, options
from registry.cli.app import FAILED
from registry.cli.progress import Transfers
from registry.plural import plural

if TYPE_CHECKING:
    from registry.api.adoption import LeftOut

_URI = click.option(
    "--tracking-uri", "uri", required=True, metavar="URL", envvar="MLFLOW_TRACKING_URI", show_envvar=True,
    help="The tracking server, https://HOST.",
)  # fmt: skip
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")


class _Exchange(click.Group):
    """A group whose words are those of its first command, unless they begin with the name of another."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the first command's name before words that name no other."""
        first, *others = self.commands
        if args and args[0] not in {*others, *ctx.help_option_names}:
            args = [first, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as in click
        """In the order in which they were added."""
        return list(self.commands)


@click.group("import", cls=_Exchange)
def import_() -> None:
    """Take over a bundle, or what another registry holds.

    \b
    registry import FILE    a bundle of `registry export`; ./mlflow is a file of that name
    registry import mlflow  the registered models of an MLflow server
    registry import gto     a repository of gto's, as it is
    registry import mlem    the metafiles and links that MLEM left
    """


@click.group("export", cls=_Exchange)
def export() -> None:
    """Write artifacts into one file, or mirror stages at an MLflow server.

    \b
    registry export NAMES… -o FILE  a bundle; -o FILE comes first for an artifact named `mlflow`
    registry export mlflow          stages, as aliases of the server's versions
    """


import_.add_command(cache.import_)
export.add_command(cache.export)


@import_.command("mlflow")
@_URI
@click.option(
    "--models", multiple=True, metavar="NAME[=ARTIFACT]", help="Only this model, under another name; may be repeated."
)
@click.option("--branch", default="import/mlflow", show_default=True, help="The branch that gets the commits.")
@click.option("--commit", is_flag=True, help="Commit on what is checked out, in place of a branch.")
@_DRY_RUN
@options.repo
@options.as_json
def import_mlflow(
    uri: str, models: tuple[str, ...], branch: str, commit: bool, dry_run: bool, repo: str, as_json: bool
) -> int:
    """Take over registered models with their versions, stages and aliases.

    Version 3 becomes v3.0.0, with a link and a commit of its own; run and every digest are pinned. Done again, it adds
    what is new. What cannot be taken over is told and left out, and the command ends with 1. Nothing is pushed.

    \b
    Example:  registry import mlflow --tracking-uri https://mlflow.example.org --models cost
    """
    from registry.api.mlflow_import import import_mlflow as take

    with Transfers(quiet=as_json) as progress:
        done = take(
            uri, project=repo, models=_named(models), branch=branch, commit=commit, dry_run=dry_run, step=progress.step
        )
    if as_json:
        options.print_json(
            {
                "source": done.source,
                "branch": done.branch,
                "dry_run": dry_run,
                "registered": [each._asdict() for each in done.registered],
                "assigned": [each._asdict() for each in done.assigned],
                "known": done.known,
                "left_out": [each._asdict() for each in done.left_out],
            }
        )
        return FAILED if done.left_out else 0
    would = "would register" if dry_run else "registered"
    for one in done.registered:
        click.echo(f"{would} {one.artifact}@{one.version}: {one.source}")
    for each in done.assigned:
        click.echo(f"{'would assign' if dry_run else 'assigned'} {each.artifact}#{each.stage}: {each.version}")
    counted = f"{plural(len(done.registered), 'version')}, {plural(len(done.assigned), 'stage')}"
    click.echo(f"{counted}, {done.known} known before; {done.source}")
    if done.registered and not dry_run:
        click.echo(f"  git push --follow-tags origin {done.branch or 'HEAD'}")
    return _tell_left_out(done.left_out)


def _named(models: Sequence[str]) -> dict[str, str]:
    """Models by MLflow's name; after the last `=` the artifact's."""
    pairs = (each.rpartition("=") for each in models)
    return {model or name: name for model, _, name in pairs}


@import_.command("gto")
@click.argument("repo", default=".", metavar="[REPO]")
@options.as_json
def import_gto(repo: str, as_json: bool) -> int:
    """Adopt a repository of gto's as it is, and say what its artifacts need to pass the gate.

    Its tags are the registry; .mlem/config.yaml is written where it is missing, and nothing else. Ends with 1 where a
    tag is skipped.
    """
    from registry.api.gto_import import import_gto as take
    from registry.render.findings import as_text

    done = take(repo)
    code = FAILED if done.skipped else 0
    if as_json:
        rows = [vars(each) | {"versions": list(each.versions), "needs": list(each.needs)} for each in done.artifacts]
        options.print_json(
            {"wrote": done.wrote, "artifacts": rows, "findings": [each.json() for each in done.findings]}
        )
        return code
    if done.wrote:
        click.echo(f"wrote {done.wrote}; commit it")
    for each in done.artifacts:
        held = "".join(f", {stage} {version}" for stage, version in each.stages.items())
        where = "linked" if each.linked else f"a model here: {each.path}" if each.path else "without a link"
        click.echo(f"{each.name}: {plural(len(each.versions), 'version')}{held}; {where}")
        for line in each.needs:
            click.echo(f"  {line}")
    if done.findings:
        click.echo(as_text(done.findings, "", []), err=True)
    return code


@import_.command("mlem")
@click.argument("repo", default=".", metavar="[REPO]")
@click.option("--write", is_flag=True, help="Write a pinned link beside each that is not pinned.")
@click.option("--force", is_flag=True, help="With --write: write over the link instead.")
@options.as_json
def import_mlem(repo: str, write: bool, force: bool, as_json: bool) -> int:
    """List the metafiles and links of MLEM, in all layouts.

    Of each is told whether it is pinned, its format, and what it needs to pass the gate. Ends with 1 where a link is
    not pinned.
    """
    if force and not write:
        raise click.UsageError("--force is for --write.")
    from registry.api.mlem_import import import_mlem as take

    done = take(repo, write=write, force=force)
    if as_json:
        options.print_json([vars(each) | {"needs": list(each.needs)} for each in done.files])
        return 0 if done.complete else FAILED
    for each in done.files:
        said = f"{each.kind}{f' ({each.format})' if each.format else ''}"
        pinned = "" if each.kind != "link" else ", pinned" if each.pinned else ", not pinned"
        click.echo(f"{each.path}: {said}{pinned}{f'; wrote {each.wrote}' if each.wrote else ''}")
        for line in each.needs:
            click.echo(f"  {line}")
    return 0 if done.complete else FAILED


@export.command("mlflow")
@_URI
@click.argument("names", nargs=-1, shell_complete=options.names)
@_DRY_RUN
@options.repo
@options.as_json
def export_mlflow(uri: str, names: tuple[str, ...], dry_run: bool, repo: str, as_json: bool) -> int:
    """Set the alias STAGE to the version that each stage holds, where its link is of that very server.

    NAMES are the artifacts, all by default. Nothing is created that the server lacks; ends with 1 where a stage could
    not be mirrored.

    \b
    Example:  registry export mlflow --tracking-uri https://mlflow.example.org cost_predictor
    """
    from registry.api.mlflow_export import export_mlflow as mirror

    done = mirror(uri, names, project=repo, dry_run=dry_run)
    if as_json:
        options.print_json(
            {
                "server": done.server,
                "dry_run": dry_run,
                "set": [each._asdict() for each in done.set],
                "unchanged": [each._asdict() for each in done.unchanged],
                "left_out": [each._asdict() for each in done.left_out],
            }
        )
        return FAILED if done.left_out else 0
    for each in done.set:
        before = f", before {each.before}" if each.before else ""
        told = "would set" if dry_run else "set"
        click.echo(f"{told} {each.model}@{each.stage}: {each.number}{before} ({each.artifact} {each.version})")
    click.echo(f"aliases set: {len(done.set)}, as they were: {len(done.unchanged)}; {done.server}")
    return _tell_left_out(done.left_out)


def _tell_left_out(left_out: Sequence[LeftOut]) -> int:
    for each in left_out:
        fix = f"\n  fix: {each.fix}" if each.fix else ""
        click.echo(f"left out: {each.what}: {each.reason}{fix}", err=True)
    return FAILED if left_out else 0
