"""Commands that make events, with gto's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from registry.api import registering, staging
from registry.api.recording import Options, Recorded, replacement
from registry.cli import options
from registry.render.interface import demand_as_lines
from registry.tags import REGISTRATION
from registry.views import event_view, label_of

_SIMPLE = {"auto": None, "true": True, "false": False}
_DID = {
    "registration": "registers version {label}",
    "deregistration": "deregisters version {label}",
    "assignment": "assigns stage {stage} to version {label}",
    "unassignment": "unassigns stage {stage} from version {label}",
    "deprecation": "deprecates the artifact",
}


def _event_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        options.as_json,
        click.option(
            "--sign/--no-sign", default=None, help="Sign the tag, or do not, whatever git's tag.gpgSign says."
        ),
        click.option("--author-email", help="E-mail of the tagger, instead of git's own."),
        click.option("--author", help="Name of the tagger, instead of git's own."),
        click.option(
            "--push", is_flag=True, help="Push to origin; the remote decides. A URL in -r is always pushed to."
        ),
        click.option(
            "--simple", type=click.Choice(list(_SIMPLE)), default="auto", help="Tag without a number, as in gto."
        ),
        click.option("-m", "--message", help="Message of the tag."),
        options.repo,
    ):
        command = option(command)
    return command


def _options(given: dict[str, Any]) -> Options:
    return Options(
        given["message"], given["push"], _SIMPLE[given["simple"]], given["author"], given["author_email"], given["sign"]
    )


def _tell(done: Recorded, *, as_json: bool) -> None:
    for ref, oid in done.replaced.items():
        click.echo(replacement(ref, oid), err=True)
    if as_json:
        views = [event_view(event, label_of(done.artifact, event)) for event in done.events]
        why = done.why.json() if done.why else None
        asked = [{"asked": why} if event.kind == REGISTRATION else {} for event in done.events]
        options.print_json([{**view, "pushed": done.pushed, **each} for view, each in zip(views, asked, strict=True)])
        return
    for event in done.events:
        did = _DID[event.kind].format(label=label_of(done.artifact, event), stage=event.stage)
        click.echo(f"{'Pushed' if done.pushed else 'Created'} git tag '{event.ref}' that {did}")
        if done.why and event.kind == REGISTRATION:
            click.echo("\n".join(demand_as_lines(done.why)))
    if not done.pushed:
        refs = " ".join(f"'{event.ref}'" for event in done.events)
        click.echo(f"To publish it:  git push origin {refs}")


@click.command()
@options.name
@click.argument("ref", default="HEAD")
@options.version("The version to register, instead of the next one.")
@click.option("--bump-major", is_flag=True, help="Raise the major number.")
@click.option("--bump-minor", is_flag=True, help="Raise the minor number.")
@click.option("--bump-patch", is_flag=True, help="Raise the patch number.")
@click.option(
    "--force", is_flag=True, help="Register a commit again, one without such a model, or under too small a number."
)
@_event_options
def register(
    name: str,
    ref: str,
    version: str | None,
    bump_major: bool,
    bump_minor: bool,
    bump_patch: bool,
    force: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Register a version of NAME at REF (HEAD by default).

    Without --version and --bump-* it is the least number that the change of the model's interface allows; a smaller one
    is refused. See `registry interface diff`.

    \b
    Example:  registry register cost_predictor
              registry register cost_predictor --bump-minor --push
    """
    bumps = [part for part, on in {"major": bump_major, "minor": bump_minor, "patch": bump_patch}.items() if on]
    if len(bumps) + (version is not None) > 1:
        raise click.UsageError("Give one of --version, --bump-major, --bump-minor, --bump-patch.")
    bump = bumps[0] if bumps else None
    done = registering.register(
        name, ref, project=repo, version=version, bump=bump, force=force, options=_options(given)
    )
    _tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("ref", required=False)
@options.stage()
@options.version("The version to assign; with REF, the version to register there.")
@click.option("--sr", "--skip-registration", "skip", is_flag=True, help="Do not register a version at REF.")
@click.option("--force", is_flag=True, help="Make another tag where the stage holds the version already.")
@_event_options
def assign(
    name: str,
    ref: str | None,
    stage: str,
    version: str | None,
    skip: bool,
    force: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Assign a stage to a version of NAME, or to the one at REF (HEAD by default).

    An unregistered REF is registered first.

    \b
    Example:  registry assign cost_predictor --version v1.0.3 --stage prod --push
    """
    done = staging.assign(
        name,
        stage,
        ref=ref,
        version=version,
        project=repo,
        force=force,
        skip_registration=skip,
        options=_options(given),
    )
    _tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("ref", required=False)
@options.stage()
@options.version("The version to unassign, instead of the one the stage holds.")
@click.option("--force", is_flag=True, help="Make the tag even where the version is not in the stage.")
@_event_options
def unassign(
    name: str,
    ref: str | None,
    stage: str,
    version: str | None,
    force: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Take a version of NAME out of a stage; the one before it returns."""
    done = staging.unassign(name, stage, ref=ref, version=version, project=repo, force=force, options=_options(given))
    _tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("ref", required=False)
@options.version("The version to cancel.")
@click.option("--force", is_flag=True, help="Make the tag even where the version is cancelled already.")
@_event_options
def deregister(
    name: str,
    ref: str | None,
    version: str | None,
    force: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Cancel a version of NAME; stages that hold it go back to what they held before."""
    if ref is None and version is None:
        raise click.UsageError("Name the version with --version, or its commit with REF.")
    done = registering.deregister(name, ref=ref, version=version, project=repo, force=force, options=_options(given))
    _tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("version", required=False)
@click.argument("stage", required=False)
@click.option("--ref", help="Revision the tag points at, when the artifact is deprecated.")
@click.option("--force", is_flag=True, help="Make the tag even where it changes nothing.")
@_event_options
def deprecate(
    name: str,
    version: str | None,
    stage: str | None,
    ref: str | None,
    force: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Deprecate NAME; or deregister its VERSION; or take its VERSION out of STAGE, as gto's command does."""
    chosen = _options(given)
    if stage is not None:
        done = staging.unassign(name, stage, version=version, project=repo, force=force, options=chosen)
    elif version is not None:
        done = registering.deregister(name, version=version, project=repo, force=force, options=chosen)
    else:
        done = registering.deprecate(name, ref=ref, project=repo, force=force, options=chosen)
    _tell(done, as_json=as_json)


@click.command()
@options.name
@options.stage()
@click.option("--to", help="The version to go back to, instead of the one before.")
@_event_options
def rollback(name: str, stage: str, to: str | None, repo: str, as_json: bool, **given: Any) -> None:
    """Take a stage back to the version it held before.

    \b
    Example:  registry rollback cost_predictor --stage prod --push
    """
    _tell(staging.rollback(name, stage, to=to, project=repo, options=_options(given)), as_json=as_json)
