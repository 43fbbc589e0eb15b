"""`policy`: what a registry asks for, explained, checked and tried before it counts."""

from __future__ import annotations

import click

from registry.cli import options
from registry.cli.app import FAILED
from registry.cli.gates import custom_option
from registry.cli.progress import Progress

KINDS = (
    "register", "assign", "unassign", "rollback", "approve", "revoke", "deregister", "deprecate", "archive", "override",
)  # fmt: skip


@click.group()
def policy() -> None:
    """Explain, check or try policy.yaml: who may do what, and what that takes."""


@policy.command()
@options.stage(required=False, text="Only this stage.")
@click.option("--rev", metavar="REV", help="Of this revision.  [default: HEAD, or the default branch of a URL]")
@options.repo
@options.as_json
def explain(stage: str | None, rev: str | None, repo: str, as_json: bool) -> None:
    """Say in sentences who may do what.

    \b
    Example:  registry policy explain --stage prod
    """
    from registry.api.policies import policy_of
    from registry.errors import NotFound
    from registry.render import policy as render

    found = policy_of(repo, rev=rev)
    if stage is not None and found.stage(stage) is None:
        raise NotFound(f"the policy has no stage {stage!r}", repo, f"it has {', '.join(found.stages or ()) or 'none'}")
    if as_json:
        options.print_json(render.as_json(found, stage))
        return
    for line in render.sentences(found, stage):
        click.echo(line)


@policy.command()
@click.argument("rev", required=False)
@click.option("--base", metavar="REV", help="What it is a change of.  [default: HEAD, or the first parent of REV]")
@options.repo
@options.as_json
def check(rev: str | None, base: str | None, repo: str, as_json: bool) -> int:
    """Check policy.yaml as it is on disk, or at REV.

    Found are wrong values, unknown keys, roles that nobody can sign for, stages that nobody can enter, approvals that
    cannot be met, and a change that does not raise `version`. Exits with 1 when a finding is an error.

    \b
    Example:  registry policy check
    """
    from registry.api.policies import check_policy
    from registry.findings import ERROR

    found = check_policy(repo, rev=rev, base=base)
    if as_json:
        options.print_json([each.json() for each in found])
    else:
        from registry.render.findings import as_text

        click.echo(as_text(found, "policy.yaml is checked"))
    return FAILED if any(each.severity == ERROR for each in found) else 0


@policy.command()
@options.name
@options.version("The version.")
@options.stage(required=False, text="The stage it would concern.")
@click.option("--as", "principal", required=True, metavar="PRINCIPAL", help="Who would do it, as allowed_signers says.")
@click.option("--kind", type=click.Choice(KINDS), default="assign", show_default=True, help="What would be done.")
@click.option("--approved-by", "approvers", multiple=True, metavar="PRINCIPAL", help="Who has approved it; repeatable.")
@click.option("--confirm", "confirms", metavar="A,B", help="What the approvals confirm, or this one does.")
@click.option("--reference", metavar="TEXT", help="The reference they give, such as a ticket.")
@click.option("--reason", default="", metavar="TEXT", help="Why the rules are overridden.")
@click.option("--waived", is_flag=True, help="Take the limits of `waive` to be met.")
@custom_option
@options.repo
@options.as_json
def simulate(
    name: str,
    version: str | None,
    stage: str | None,
    principal: str,
    kind: str,
    approvers: tuple[str, ...],
    confirms: str | None,
    reference: str | None,
    reason: str,
    waived: bool,
    custom_checks: bool,
    repo: str,
    as_json: bool,
) -> int:
    """Say what would happen, and why; nothing is done. Exits with 1 where it would be refused.

    The version, its history and its author are those of the tags that are accepted, the policy that of the default
    branch, whose gates are run. What could not be verified is said.

    \b
    Example:  registry policy simulate cost_predictor --version v0.1.0 --stage prod --as dana@mycompany.com
    """
    from registry.api.simulating import simulate as judged
    from registry.governance import Act, Approval
    from registry.render import policy as render

    confirmed = tuple(each for each in (confirms or "").split(",") if each)
    proposed = Act(
        kind,
        name,
        version,
        stage,
        principals=(principal,),
        approvals=tuple(Approval(each, confirmed, reference) for each in approvers),
        confirms=confirmed if kind == "approve" else (),
        reference=reference,
        reason=reason,
        waived=waived,
    )
    with Progress("gates", quiet=as_json) as progress:
        found = judged(proposed, repo, custom=custom_checks, progress=progress.step)
    if as_json:
        options.print_json(render.simulated_json(found))
    else:
        for line in render.simulated(found):
            click.echo(line)
    return 0 if found.decision.allowed else FAILED


@policy.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as without it: a schema is nothing else.")
def schema(as_json: bool) -> None:  # noqa: ARG001 - every command has it
    """Print the JSON Schema of policy.yaml, for editors.

    \b
    Example:  registry policy schema > .mlem/policy.schema.json
    """
    from registry.policy import schema as told

    options.print_json(told())
