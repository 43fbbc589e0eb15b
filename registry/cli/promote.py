"""Commands that say which version users get: several at once, back again, never again."""

from __future__ import annotations

from typing import Any

import click

from registry.api import staging, withdrawing
from registry.api.planning import Terms
from registry.api.targeting import Ambiguous, Target, is_revision
from registry.cli import options
from registry.cli.record import event_options, given_options, tell
from registry.names import is_artifact
from registry.versions import is_version


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION]... [REF]", shell_complete=options.names)
@options.stage()
@options.version("The version to assign; with REF, the version to register there.")
@click.option("--sr", "--skip-registration", "skip", is_flag=True, help="Do not register a version at REF.")
@click.option("--force", is_flag=True, help="Make another tag where the stage holds the version already.")
@click.option("--override", is_flag=True, help="Go past the policy's rules; takes a role of its own, and --reason.")
@click.option("--reason", help="Why, with --override; everybody sees it.")
@click.option("--reference", help="A ticket, where the policy asks for one.")
@click.option("--custom-checks", is_flag=True, help="Let the registry's own programs in scripts/checks run as gates.")
@event_options
def assign(
    names: tuple[str, ...],
    stage: str,
    version: str | None,
    skip: bool,
    force: bool,
    override: bool,
    reason: str | None,
    reference: str | None,
    custom_checks: bool,
    repo: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Assign a stage to a version of NAME, or to the one at REF (HEAD by default).

    An unregistered REF is registered first. Several NAMEs are assigned all or none; one without a VERSION means its
    latest one. Under a policy the act is judged first, and refused with every reason.

    \b
    Example:  registry assign cost_predictor --version v1.0.3 --stage prod --push
              registry assign preprocessor@v2.1.0 model@v1.0.3 threshold --stage prod --push
    """
    if override != (reason is not None):
        raise click.UsageError("--override needs --reason, and --reason says why something is overridden.")
    done = staging.assign_all(
        _targets(names, version, repo),
        stage,
        project=repo,
        force=force,
        skip_registration=skip,
        terms=Terms(reason, reference, custom_checks),
        options=given_options(given),
    )
    tell(*done, as_json=as_json)


def _targets(words: tuple[str, ...], version: str | None, repo: str) -> list[Target]:
    """What is meant: gto's `NAME [REF]`, or several of NAME[@VERSION]."""
    first, *others = words
    name, own = _named(first)
    if not others:
        if own and version:
            raise click.UsageError(f"Give the version once: {name}@{version}, or --version {version}.")
        return [Target(name, own or version)]
    try:
        if len(others) == 1 and not own and is_revision(first, others[0], repo):
            return [Target(first, version, others[0])]
    except Ambiguous as error:
        raise click.UsageError(str(error)) from None
    targets = [Target(*_named(word)) for word in words]
    if version is not None:
        raise click.UsageError("With several names, give each its version as NAME@VERSION.")
    return [each if each.version else each._replace(latest=True) for each in targets]


def _named(word: str) -> tuple[str, str | None]:
    name, _, version = word.partition("@")
    return (name, version) if is_artifact(name) and is_version(version) else (word, None)


@click.command()
@options.name
@options.stage()
@click.option("--to", help="The version to go back to, instead of the one before.")
@event_options
def rollback(name: str, stage: str, to: str | None, repo: str, as_json: bool, **given: Any) -> None:
    """Take a stage back to the version it held before.

    \b
    Example:  registry rollback cost_predictor --stage prod --push
    """
    tell(staging.rollback(name, stage, to=to, project=repo, options=given_options(given)), as_json=as_json)


@click.command()
@options.name
@options.version("The version nobody may load again.")
@click.option("--reason", required=True, help="Why; whoever asks for the version is told.")
@click.option("--force", is_flag=True, help="Make another tag where the version was revoked already.")
@event_options
def revoke(name: str, version: str | None, reason: str, force: bool, repo: str, as_json: bool, **given: Any) -> None:
    """Make a version of NAME unloadable for good, and say why.

    \b
    Example:  registry revoke cost_predictor --version v1.0.3 --reason 'trained on leaked data' --push
    """
    if version is None:
        raise click.UsageError("Name the version with --version.")
    done = withdrawing.revoke(name, version, reason, project=repo, force=force, options=given_options(given))
    tell(done, as_json=as_json)


@click.command()
@options.name
@click.option("--reason", help="Why it is no longer offered.")
@click.option("--force", is_flag=True, help="Make the tags even where the artifact is archived already.")
@event_options
def archive(name: str, reason: str | None, force: bool, repo: str, as_json: bool, **given: Any) -> None:
    """Empty every stage of NAME and deprecate it, all at once; its versions still load by number.

    \b
    Example:  registry archive cost_predictor --reason 'replaced by price_predictor' --push
    """
    done = withdrawing.archive(name, reason, project=repo, force=force, options=given_options(given))
    tell(done, as_json=as_json)
