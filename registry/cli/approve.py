"""`approve`, `request` and `approvals`: what stands before a version in a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from registry.cli import options
from registry.errors import Refused

if TYPE_CHECKING:
    from registry.api.approving import Approved


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        options.as_json,
        options.repo,
        click.option(
            "--push", is_flag=True, help="Push to origin; the remote decides. A URL in -r is always pushed to."
        ),
        click.option("-m", "--message", required=True, help="Why: what every reader of the tag sees."),
        options.stage(),
        click.option("--version", "--ver", "version", required=True, help="The version, such as v1.0.3."),
        options.name,
    ):
        command = option(command)
    return command


@click.command()
@_about
@click.option("--reference", metavar="TEXT", help="A ticket or decision, such as JIRA-4521.")
@click.option(
    "--github-environment",
    "environment",
    metavar="NAME",
    help="In a workflow on GitHub: approve for those who approved this environment of the run.",
)
@click.option("--confirm", "confirms", metavar="A,B", help="What you confirm by name, such as kpi,cost.")
def approve(
    name: str,
    version: str,
    stage: str,
    message: str,
    push: bool,
    repo: str,
    as_json: bool,
    reference: str | None,
    confirms: str | None,
    environment: str | None,
) -> None:
    """Approve a version of NAME for a stage, with your signature.

    The approval is bound to the evidence that is shown: whatever changes of it later voids the approval.

    \b
    Example:  registry approve cost_predictor --version v1.0.3 --stage prod -m 'KPI holds' --reference JIRA-4521
    """
    import os

    from registry.api.approving import Words, consider, sign
    from registry.api.reviewing import reviewed_run
    from registry.render.approval import considered, made

    chosen = tuple(each for each in (confirms or "").split(",") if each)
    run = None if environment is None else reviewed_run(environment, os.environ)
    try:
        found = consider(name, version, stage, repo, words=Words(message, chosen, reference, run), push=push)
        if not as_json:
            click.echo("\n".join(considered(found.evidence, found.holder)))
        done = sign(found)
    except Refused as error:
        _tell_refused(error, name, version, stage, repo)
        raise
    if as_json:
        options.print_json(done.json())
    else:
        click.echo("\n".join(made(done)))
    _tell(done, repo)


@click.command()
@_about
def request(name: str, version: str, stage: str, message: str, push: bool, repo: str, as_json: bool) -> None:
    """Ask for approvals of a version of NAME for a stage.

    \b
    Example:  registry request cost_predictor --version v1.0.3 --stage prod -m 'Retrained on May' --push
    """
    from registry.api.approving import request as asked
    from registry.render.approval import considered, made

    done = asked(name, version, stage, repo, message=message, push=push)
    if as_json:
        options.print_json(done.json())
    else:
        click.echo("\n".join([*considered(done.note.evidence, done.holder), *made(done)]))
    _tell(done, repo)


def _tell(done: Approved, repo: str) -> None:
    """Tell channels that ask for it, once others can see the tag."""
    if done.pushed:
        from registry.cli.notify import tell_by_itself
        from registry.notifying.acts import of_approval

        tell_by_itself(repo, lambda opened: [of_approval(done, opened)])


def _tell_refused(error: Refused, name: str, version: str, stage: str, repo: str) -> None:
    """The same of an approval that the policy refused."""
    from registry.cli.notify import tell_by_itself
    from registry.notifying.acts import of_refusal

    reason = {"artifact": name, "version": version, "stage": stage, "act": "approve", "by": [], "id": error.reason}
    tell_by_itself(repo, lambda opened: of_refusal({"reasons": [{**reason, "message": error.what}]}, opened))


@click.command()
@click.argument("name", required=False, shell_complete=options.names)
@click.option("--mine", is_flag=True, help="Only what waits for you, as git's user.email names you.")
@options.repo
@options.as_json
def approvals(name: str | None, mine: bool, repo: str, as_json: bool) -> None:
    """List what waits for whose approval, what is done, and what is void and why; of NAME or all.

    \b
    Example:  registry approvals --mine
    """
    from registry.api.waiting import approvals as waiting
    from registry.render.approval import listed

    found = waiting(repo, name, mine=mine)
    if as_json:
        options.print_json([each.json() for each in found.questions])
    else:
        click.echo("\n".join(listed(found.questions)))
    for each in found.malformed:
        if each.finding is not None:
            click.echo(f"warning: {each.finding.message}", err=True)
