"""`compare` and its short form `diff`: two versions, stages or revisions of an artifact side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.api.candidates import Candidate
    from registry.comparison import Comparison

FORMATS = ("text", "json", "markdown", "html")


@click.command()
@options.name
@click.argument("before", metavar="[A]", required=False)
@click.argument("after", metavar="[B]", required=False)
@click.option("--base", metavar="REV", help="Instead of A and B: what a pull request does to NAME since REV.")
@click.option("--head", metavar="REV", default="HEAD", show_default=True, help="Its other end; with --base.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="What to print.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="The file; printed without it.")
@options.repo
@options.as_json
def compare(
    name: str,
    before: str | None,
    after: str | None,
    base: str | None,
    head: str,
    form: str,
    output: str | None,
    repo: str,
    as_json: bool,
) -> None:
    """Compare NAME at A with NAME at B: metrics, parameters, interface, requirements, data, card, evaluations.

    A and B are versions, stages (#prod), revisions of the registry, or . for the work tree. With --base the link of a
    pull request is compared with its base, and with what the first protected stage holds. What is not known of both is
    named, never guessed. --json is --format json.

    \b
    Example:  registry compare cost_predictor '#prod' v1.0.3
              registry compare cost_predictor v1.0.2 v1.0.3 --format html -o comparison.html
              registry compare cost_predictor --base origin/main
    """
    if (base is None) == (before is None) or (before is None) != (after is None):
        raise click.UsageError("Give A and B, or --base.")
    form = "json" if as_json else form
    if base is not None:
        from registry.api.candidates import candidates

        (found,) = candidates(repo, base=base, head=head, name=name)
        text = _of_candidate(found, form, repo)
    else:
        from registry.api.comparing import compare as ask

        text = _of_comparison(ask(name, before or "", after or "", repo), form, repo)
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    from pathlib import Path

    from registry.api.writing import write_file

    write_file(Path(output), f"{text.rstrip()}\n")
    click.echo(f"wrote {output}", err=form == "json")


@click.command()
@options.name
@click.argument("before", metavar="[A]", required=False)
@click.argument("after", metavar="[B]", required=False)
@options.repo
@options.as_json
def diff(name: str, before: str | None, after: str | None, repo: str, as_json: bool) -> None:
    """Print on one screen what changed in NAME from A to B: the short form of `compare`.

    Without A it is what was assigned to a stage last, without B the latest version.

    \b
    Example:  registry diff cost_predictor
              registry diff cost_predictor v1.0.2 .
    """
    from registry.api.comparing import compare as ask
    from registry.api.comparing import usual
    from registry.render.comparison import as_json as json_of
    from registry.render.comparison import as_text

    if before is None or after is None:
        usually = usual(name, repo)
        before, after = before or usually[0], after or usually[1]
    found = ask(name, before, after, repo)
    if as_json:
        options.print_json(json_of(found))
    else:
        click.echo(as_text(found, short=True))


def _of_comparison(found: Comparison, form: str, repo: str) -> str:
    from registry.render.comparison import as_json, as_text
    from registry.render.comparison_markdown import as_markdown

    if form == "html":
        return _page(found.name, [found], repo)
    if form == "json":
        return _json(as_json(found))
    return as_markdown(found) if form == "markdown" else as_text(found)


def _of_candidate(found: Candidate, form: str, repo: str) -> str:
    from registry.render.comparison import as_json, as_text
    from registry.render.comparison_markdown import candidates_as_markdown
    from registry.render.line import one_line

    told = found.comparisons
    if form == "html":
        return _page(found.name, told, repo)
    if form == "markdown":
        return candidates_as_markdown([found])
    if form == "text":
        said = [one_line(found.fault or f"{found.name} is new: its base has nothing to compare with")]
        return "\n\n".join([*map(as_text, told), *(said if found.fault or found.change is None else ())])
    change, against = (as_json(each) if each is not None else None for each in (found.change, found.against))
    which = {"name": found.name, "fault": found.fault, "stage": found.stage}
    return _json({**which, "change": change, "against": against})


def _page(name: str, told: Sequence[Comparison], repo: str) -> str:
    from registry.api.comparing import series
    from registry.render.comparison_html import as_html

    page, fault = as_html(told, {name: series(name, repo)})
    if fault is not None:
        click.echo(f"warning: {fault}", err=True)
    return page


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=4)
