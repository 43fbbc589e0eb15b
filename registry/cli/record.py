"""Commands that make events, with gto's options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import click

from registry.api import registering, staging
from registry.api.recording import Options, Recorded, replacement
from registry.cli import options
from registry.errors import Refused
from registry.eventkind import act_kind
from registry.render.interface import demand_as_lines
from registry.tags import REGISTRATION, trailers
from registry.views import event_view, label_of

_SIMPLE = {"auto": None, "true": True, "false": False}
_DID = {
    "register": "registers version {label}",
    "deregister": "deregisters version {label}",
    "revoke": "revokes version {label}",
    "assign": "assigns stage {stage} to version {label}",
    "override": "assigns stage {stage} to version {label}",
    "rollback": "assigns stage {stage} to version {label}",
    "unassign": "unassigns stage {stage} from version {label}",
    "deprecate": "deprecates the artifact",
    "archive": "archives the artifact",
}


def event_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that makes events; what a policy refuses is printed as JSON and told, where asked."""

    @wraps(command)
    def told(*args: Any, **given: Any) -> Any:
        try:
            return command(*args, **given)
        except Refused as error:
            from registry.api.denial import Denied
            from registry.notifying.acts import of_refusal

            if isinstance(error, Denied):
                from registry.cli.notify import tell_by_itself

                said = error.json()
                if given["as_json"]:
                    options.print_json(said)
                tell_by_itself(given["repo"], lambda opened: of_refusal(said, opened))
            raise

    wrapped: Callable[..., Any] = told
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
        wrapped = option(wrapped)
    return wrapped


def given_options(given: dict[str, Any]) -> Options:
    """The same as the library takes them."""
    return Options(
        given["message"], given["push"], _SIMPLE[given["simple"]], given["author"], given["author_email"], given["sign"]
    )


def tell(*done: Recorded, as_json: bool) -> None:
    """Print what was recorded, of one artifact or of several."""
    for each in done:
        for ref, oid in each.replaced.items():
            click.echo(replacement(ref, oid), err=True)
    if as_json:
        options.print_json([view for each in done for view in _views(each)])
        return
    for each in done:
        for event in each.events:
            did = _DID[act_kind(event.kind, trailers(event.message))].format(
                label=label_of(each.artifact, event), stage=event.stage
            )
            click.echo(f"{'Pushed' if each.pushed else 'Created'} git tag '{event.ref}' that {did}")
            if each.why and event.kind == REGISTRATION:
                click.echo("\n".join(demand_as_lines(each.why)))
    recorded = next((each.ledger for each in done if each.ledger is not None), None)
    if recorded is not None:
        click.echo(f"Recorded in the ledger, up to entry {recorded}")
    if not done[0].pushed:
        refs = " ".join(f"'{event.ref}'" for each in done for event in each.events)
        click.echo(f"To publish it:  git push {'origin' if recorded is None else '--atomic origin ledger'} {refs}")


def _views(done: Recorded) -> Iterator[dict[str, Any]]:
    why = done.why.json() if done.why else None
    for event in done.events:
        view: dict[str, Any] = {**event_view(event, label_of(done.artifact, event)), "pushed": done.pushed}
        view |= {"asked": why} if event.kind == REGISTRATION else {}
        yield view | ({} if done.ledger is None else {"ledger": done.ledger})


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
@event_options
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
        name, ref, project=repo, version=version, bump=bump, force=force, options=given_options(given)
    )
    tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("ref", required=False)
@options.stage()
@options.version("The version to unassign, instead of the one the stage holds.")
@click.option("--force", is_flag=True, help="Make the tag even where the version is not in the stage.")
@event_options
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
    done = staging.unassign(
        name, stage, ref=ref, version=version, project=repo, force=force, options=given_options(given)
    )
    tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("ref", required=False)
@options.version("The version to cancel.")
@click.option("--force", is_flag=True, help="Make the tag even where the version is cancelled already.")
@event_options
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
    done = registering.deregister(
        name, ref=ref, version=version, project=repo, force=force, options=given_options(given)
    )
    tell(done, as_json=as_json)


@click.command()
@options.name
@click.argument("version", required=False)
@click.argument("stage", required=False)
@click.option("--ref", help="Revision the tag points at, when the artifact is deprecated.")
@click.option("--force", is_flag=True, help="Make the tag even where it changes nothing.")
@event_options
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
    chosen = given_options(given)
    if stage is not None:
        done = staging.unassign(name, stage, version=version, project=repo, force=force, options=chosen)
    elif version is not None:
        done = registering.deregister(name, version=version, project=repo, force=force, options=chosen)
    else:
        done = registering.deprecate(name, ref=ref, project=repo, force=force, options=chosen)
    tell(done, as_json=as_json)
