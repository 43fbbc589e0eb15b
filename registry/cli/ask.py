"""Questions about a registry."""

from __future__ import annotations

import gc

import click

from registry.api import questions
from registry.cli import options
from registry.cli.app import FAILED
from registry.git.objects import is_oid
from registry.render.findings import as_text
from registry.render.line import one_line
from registry.render.table import table
from registry.views import Selection, event_view, label_of


def _one_of(**flags: bool) -> None:
    chosen = [f"--{name.replace('_', '-')}" for name, given in flags.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} exclude each other.")


def _registry(repo: str, *, as_gto: bool = False) -> questions.Registry:
    gc.disable()  # the process ends with its answer: looking for cycles among 100,000 events costs a tenth of it
    return questions.Registry(repo, as_gto=as_gto)


def _warn(registry: questions.Registry) -> None:
    for text in registry.warnings:
        click.echo(f"warning: {text}", err=True)


@click.command()
@click.argument("name", required=False, shell_complete=options.names)
@options.repo
@options.as_json
@options.as_gto
@click.option("--plain", is_flag=True, help="Print rows for grep: no heading, one blank between columns.")
@click.option("--name", "show_name", is_flag=True, help="Print the artifact only.")
@click.option("--version", "show_version", is_flag=True, help="Print versions only.")
@click.option("--stage", "show_stage", is_flag=True, help="Print stages only.")
@click.option("--ref", "show_ref", is_flag=True, help="Print tags only.")
@click.option(
    "--ro", "--registered-only", "registered_only", is_flag=True, help="Leave out assigned commits without a version."
)
@click.option("-d", "--deprecated", is_flag=True, help="Show deprecated artifacts and cancelled versions too.")
@click.option(
    "--av", "--assignments-per-version", "per_version", default=-1, help="Show N stages a version; -1 for all."
)
@click.option("--vs", "--versions-per-stage", "per_stage", default=1, help="Show N versions a stage; -1 for all.")
@click.option("--sort", type=click.Choice(["timestamp", "semver"]), default="timestamp", help="Order of assignments.")
def show(
    name: str | None,
    repo: str,
    as_json: bool,
    as_gto: bool,
    plain: bool,
    show_name: bool,
    show_version: bool,
    show_stage: bool,
    show_ref: bool,
    registered_only: bool,
    deprecated: bool,
    per_version: int,
    per_stage: int,
    sort: str,
) -> None:
    """Show the registry, or the versions of NAME (also NAME@v1.0.0, NAME@latest, NAME#prod).

    \b
    Example:  registry show
              registry show cost_predictor --json -r https://github.com/mycompany/model-registry
    """
    _one_of(json=as_json, plain=plain, name=show_name, version=show_version, stage=show_stage, ref=show_ref)
    if min(per_version, per_stage) < -1:
        raise click.UsageError("--av and --vs take -1 or more.")
    chosen = Selection(registered_only, deprecated, per_version, per_stage, by_version=sort == "semver")
    registry = _registry(repo, as_gto=as_gto)
    rows, result = _show_one(registry, name, chosen) if name else _show_all(registry, chosen)
    _warn(registry)
    columns = {"name": show_name, "version": show_version, "stage": show_stage, "ref": show_ref}
    column = next((name for name, given in columns.items() if given), None)
    if as_json:
        options.print_json(result)
    elif column:
        if rows and column not in rows[0]:
            raise click.UsageError(f"--{column} does not apply here.")
        for row in rows:
            click.echo(row[column])
    else:
        empty = f"nothing found for {name}" if name else "nothing is registered here"
        click.echo(table(rows, plain=plain, empty=empty))


def _show_all(registry: questions.Registry, chosen: Selection) -> tuple[list[dict[str, str | None]], object]:
    view = registry.show(chosen)
    rows = []
    for name, state in view.items():
        stages = {f"#{stage}": _short(version) for stage, version in state["stage"].items()}
        rows.append({"name": name if state["registered"] else f"*{name}", "latest": state["version"], **stages})
    return rows, view


def _show_one(registry: questions.Registry, name: str, chosen: Selection) -> tuple[list[dict[str, str | None]], object]:
    views = registry.show_artifact(name, chosen)
    rows = [
        {
            "artifact": view["artifact"],
            "version": _short(view["version"]),
            "stage": ", ".join(dict.fromkeys(stage["stage"] for stage in view["stages"])) or None,
            "created_at": view["created_at"].replace("T", " "),
            "ref": _short(view["ref"]),
        }
        for view in views
    ]
    return rows, views


def _short(labels: str | None) -> str | None:
    """Commit ids cut to seven digits, versions and tags left as they are."""
    return ", ".join(part[:7] if is_oid(part) else part for part in labels.split(", ")) if labels else None


@click.command()
@click.argument("name", required=False, shell_complete=options.names)
@options.repo
@options.as_json
@options.as_gto
@click.option("--plain", is_flag=True, help="Print rows for grep: no heading, one blank between columns.")
@click.option("--ascending", "--asc", is_flag=True, help="Oldest first.")
def history(name: str | None, repo: str, as_json: bool, as_gto: bool, plain: bool, ascending: bool) -> None:
    """Show every event of the registry, or of NAME, newest first."""
    _one_of(json=as_json, plain=plain)
    registry = _registry(repo, as_gto=as_gto)
    events = registry.history(name, ascending=ascending)
    _warn(registry)
    if as_json:
        options.print_json(events)
        return
    keys = ("timestamp", "artifact", "event", "version", "stage", "commit", "author", "ref")
    rows = [{key: _cell(key, event[key]) for key in keys} for event in events]
    click.echo(table(rows, plain=plain, empty="nothing happened here"))


def _cell(key: str, value: str | None) -> str | None:
    if key == "timestamp" and value:
        return value.replace("T", " ")
    return _short(value) if key in {"commit", "version"} else value


@click.command()
@options.repo
@click.option("--allowed", is_flag=True, help="Print the stages that .gto allows.")
@click.option("--used", is_flag=True, help="Print the stages that hold something.")
@options.as_json
def stages(repo: str, allowed: bool, used: bool, as_json: bool) -> None:
    """Print the registry's stages: those .gto lists, else those in use."""
    _one_of(allowed=allowed, used=used)
    registry = _registry(repo)
    found = registry.config().stages if allowed else registry.stages(used=used)
    if as_json:
        options.print_json(found)
    else:
        for stage in found or []:
            click.echo(stage)


@click.command("check-ref")
@click.argument("ref")
@options.repo
@options.as_json
@options.as_gto
@click.option("--name", "show_name", is_flag=True, help="Print the artifact only.")
@click.option("--version", "show_version", is_flag=True, help="Print the version only.")
@click.option("--event", "show_event", is_flag=True, help="Print the event only.")
@click.option("--stage", "show_stage", is_flag=True, help="Print the stage only.")
def check_ref(
    ref: str,
    repo: str,
    as_json: bool,
    as_gto: bool,
    show_name: bool,
    show_version: bool,
    show_event: bool,
    show_stage: bool,
) -> None:
    """Say what the tag REF did: which artifact, version, stage. One that the policy does not accept is refused.

    For continuous integration: `registry check-ref "$GITHUB_REF" --event`.
    """
    _one_of(json=as_json, name=show_name, version=show_version, event=show_event, stage=show_stage)
    artifact, event = questions.check_ref(ref, repo, as_gto=as_gto)
    label = label_of(artifact, event)
    if as_json:
        options.print_json(event_view(event, label))
    elif show_name:
        click.echo(event.artifact)
    elif show_version:
        click.echo(label or "", nl=label is not None)
    elif show_stage:
        click.echo(event.stage or "", nl=event.stage is not None)
    elif show_event:
        click.echo(event.kind)
    else:
        of = " of ".join(part for part in (f"version {label}" if label else "", f"artifact {event.artifact}") if part)
        stage = f", stage {event.stage}" if event.stage else ""
        click.echo(one_line(f"{event.kind}: {of}{stage}, by {event.tagger} <{event.email}>"))


@click.command()
@options.repo
@options.as_json
def doctor(repo: str, as_json: bool) -> int:
    """Look for tags that are skipped or read differently by gto, and say how to mend each.

    Exits with 1 when a finding is an error.
    """
    from registry.api.doctor import doctor as ask

    findings = ask(repo)
    if as_json:
        options.print_json([finding.json() for finding in findings])
    else:
        click.echo(as_text(findings, nothing="no problems found"))
    return FAILED if any(finding.severity == "error" for finding in findings) else 0
