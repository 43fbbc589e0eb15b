"""`audit` and `report`: what was done to a registry, what its stages held at a moment, and the week in one page."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from registry.cli import options

if TYPE_CHECKING:
    from registry.render.sheet import Sheet

F = TypeVar("F", bound=Callable[..., Any])
FORMS = ("table", "json", "csv", "markdown", "html")
PAGES = ("text", "json", "markdown", "html")
_TIMES = "An ISO 8601 time (UTC without a zone), a date, or 7d for seven days ago."


def _form(forms: Sequence[str]) -> Callable[[F], F]:
    return click.option(
        "--format", "form", type=click.Choice(forms), default=forms[0], show_default=True, help="How it is printed."
    )


def _model(command: F) -> F:
    return click.option("--model", metavar="NAME|GLOB", help="Only this artifact, or those like `cost*`.")(command)


def _stage(command: F) -> F:
    return options.stage(required=False, text="Only this stage, or those like `prod*`.")(command)


@click.group(invoke_without_command=True)
@click.option("--since", metavar="T", help=f"Only what is as new. {_TIMES}")
@click.option("--until", metavar="T", help="Only what is as old; a date includes the whole day.")
@_model
@_stage
@click.option("--actor", metavar="WHO", help="Only by this name, e-mail or principal, or those like `*@example.org`.")
@_form(FORMS)
@options.repo
@options.as_json
@click.pass_context
def audit(ctx: click.Context, /, form: str, repo: str, as_json: bool, **chosen: str | None) -> None:
    """Print every event with who did it, who signed and approved it, and what became of it, oldest first.

    Events are registrations, assignments and all other tags, approvals and requests, entries of the ledger, and
    changes of policy.yaml and allowed_signers on the default branch. Of a folder nothing is fetched. csv and json have
    every column; --json is --format json.

    \b
    Example:  registry audit --since 30d --model cost_predictor
              registry audit --format csv > audit.csv
    """
    if ctx.invoked_subcommand is not None:
        given = [f"--{key}" for key, value in chosen.items() if value is not None]
        if given or as_json or form != FORMS[0] or repo != ".":
            raise click.UsageError(f"Options of `registry audit at` stand behind `{ctx.invoked_subcommand}`.")
        return
    gc.disable()  # as for `history`: the process ends with its answer
    from registry.api.trails import audit as ask
    from registry.render import sheet
    from registry.render.trail import COLUMNS, cells, trail_sheet

    found = ask(repo, **chosen)
    if as_json or form == "json":
        events = [row.json() for row in found.rows]
        options.print_json({"registry": found.where, "events": events, "remarks": list(found.remarks)})
    elif form == "csv":
        click.echo(sheet.as_csv(COLUMNS, map(cells, found.rows)), nl=False)
        _remark(found.remarks)
    elif form == "table":
        click.echo(sheet.as_text([trail_sheet("", found.rows)]))
        _remark(found.remarks)
    else:
        _page(form, f"Audit of {found.where}", [trail_sheet("", found.rows, found.remarks, whole=True)])


def _remark(remarks: Sequence[str]) -> None:
    for each in remarks:
        click.echo(f"note: {each}", err=True)


def _page(form: str, title: str, sheets: Sequence[Sheet]) -> None:
    from registry.render import sheet

    click.echo((sheet.as_html if form == "html" else sheet.as_markdown)(title, sheets), nl=False)


@audit.command()
@click.argument("moment", metavar="T")
@_model
@_stage
@_form(FORMS)
@options.repo
@options.as_json
def at(moment: str, model: str | None, stage: str | None, form: str, repo: str, as_json: bool) -> None:
    """Print what was in every stage at T: version, commit, since when, by whom.

    Times are those of the ledger where it has them, else those of the tags. A date is its first second.

    \b
    Example:  registry audit at 2026-03-01T12:00Z
    """
    gc.disable()
    from registry.api.trails import audit_at
    from registry.policytimes import moment as written
    from registry.render import sheet
    from registry.render.trail import held_sheet

    found = audit_at(moment, repo, model=model, stage=stage)
    if as_json or form == "json":
        options.print_json(found.json())
        return
    title = f"{found.where} at {written(found.moment)}"
    if form == "csv":
        made = held_sheet("", found.held)
        click.echo(sheet.as_csv(made.columns, made.rows), nl=False)
    elif form == "table":
        click.echo(sheet.as_text([held_sheet("", found.held)]))
    else:
        _page(form, title, [held_sheet("", found.held, found.remarks)])
        return
    _remark(found.remarks)


@click.command()
@click.option("--since", metavar="T", default="7d", show_default=True, help=f"What is told is as new. {_TIMES}")
@click.option(
    "--stale", metavar="TIME", default="180d", show_default=True, help="A model is stale without a change for so long."
)
@_form(PAGES)
@options.repo
@options.as_json
def report(since: str, stale: str, form: str, repo: str, as_json: bool) -> None:
    """Print the compliance report: changes and who made them, exceptions, attempts, stale models, coverage.

    Coverage counts the versions that stages hold which have a model card, a birth certificate and an evaluation.
    Markdown is cut where an issue on GitHub could not hold it; --json is --format json. Exits with 0 whatever is found.

    \b
    Example:  registry report --since 7d --format markdown
    """
    gc.disable()
    from registry.api.reporting import report as ask
    from registry.render import sheet
    from registry.render.compliance import sheets, title
    from registry.render.markdown import LONGEST

    found = ask(repo, since=since, stale=stale)
    if as_json or form == "json":
        options.print_json(found.json())
    elif form == "text":
        click.echo("\n\n".join([title(found), sheet.as_text(sheets(found))]))
    elif form == "markdown":
        click.echo(sheet.as_markdown(title(found), sheets(found), LONGEST), nl=False)
    else:
        click.echo(sheet.as_html(title(found), sheets(found)), nl=False)
