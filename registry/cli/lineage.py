"""`lineage` and `impact`: from a model back to its data, and from data forward to every model."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import click

from registry.cli import options
from registry.plural import plural

if TYPE_CHECKING:
    from registry.api.lineages import Lineage, Touched


@click.command()
@click.argument("name", shell_complete=options.names)
@options.repo
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "mermaid", "dot", "cyclonedx", "huggingface"]),
    default="text",
    show_default=True,
    help="What to print.",
)
@options.as_json
def lineage(name: str, repo: str, form: str, as_json: bool) -> None:
    """Show what NAME was made from: commit, code, parameters, data, metrics, environment, each with where it was read.

    NAME is an artifact, NAME@v1.0.3 one version, NAME#prod the version in a stage; alone it is the latest version.

    \b
    Example:  registry lineage cost_predictor#prod
              registry lineage cost_predictor@v1.0.3 --format cyclonedx > bom.json
    """
    from registry.api.lineages import lineage_of
    from registry.render import lineage as render

    found = lineage_of(name, repo)
    title = f"{found.name} {found.version or found.commit[:7]}"
    if as_json or form == "json":
        which = {"name": found.name, "version": found.version, "stages": list(found.stages), "ref": found.commit}
        decisions = [row.json() for row in found.decisions]
        options.print_json({**which, "certificate": render.as_json(found.certificate), "decisions": decisions})
        return
    if form in {"cyclonedx", "huggingface"}:
        click.echo(_exported(form, found, repo))
        return
    if form == "text":
        click.echo(render.as_text(title, found.certificate, found.decisions))
        return
    click.echo({"mermaid": render.as_mermaid, "dot": render.as_dot}[form](title, found.certificate))


def _exported(form: str, found: Lineage, repo: str) -> str:
    """The certificate in another's format, with what the card of that version says."""
    from registry.api.cards import card_at

    card = card_at(found.name, found.commit, repo)
    if form == "huggingface":
        from registry.render.huggingface import as_huggingface

        return as_huggingface(found.name, found.certificate, card)
    from registry.render.cyclonedx import as_cyclonedx

    return as_cyclonedx(found.name, found.version or found.commit, found.certificate, found.artifacts, card)


@click.command()
@click.option("--data", metavar="SHA256", help="Data or code of this SHA-256.")
@click.option("--data-md5", metavar="MD5", help="Data or code of this MD5, as DVC has it.")
@click.option("--commit", metavar="COMMIT", help="A commit of the source, or of the MLflow run; at least seven digits.")
@click.option("--source", metavar="URL", help="The source repository, as the link names it.")
@click.option("--requirement", metavar="SPEC", help="A package, such as 'numpy<2'.")
@click.option("--no-consumers", is_flag=True, help="Do not ask the registry's consumers what they run.")
@options.repo
@options.as_json
def impact(
    data: str | None,
    data_md5: str | None,
    commit: str | None,
    source: str | None,
    requirement: str | None,
    no_consumers: bool,
    repo: str,
    as_json: bool,
) -> None:
    """List every version that was made with all that is named, its stages and who runs it.

    Who runs it is read from the committed registry.lock of the registry's consumers: see `registry consumers`.

    \b
    Example:  registry impact --data-md5 22a1a2931c8370d3aeedd7183606fd7f
              registry impact --requirement 'numpy<2' --source https://github.com/mycompany/cost-prediction
    """
    if all(each is None for each in (data, data_md5, commit, source, requirement)):
        raise click.UsageError("Name one of --data, --data-md5, --commit, --source, --requirement.")
    from registry.api.lineages import impact as ask
    from registry.cli.consumers import warn
    from registry.render.table import table

    gc.disable()  # as in `show`: the process ends with its answer
    asked = {"data": data, "data_md5": data_md5, "commit": commit, "source": source, "requirement": requirement}
    found = ask(repo, **asked, consumers=not no_consumers)
    if as_json:
        rows = [_row(each) for each in found.touched]
        unread = [each._asdict() for each in found.unread]
        options.print_json(
            {"touched": rows, "versions": found.versions, "uncertified": found.uncertified, "unread": unread}
        )
        return
    cells: list[dict[str, str | None]] = [
        {
            "artifact": each.name,
            "version": each.version if each.active else f"{each.version} (cancelled)",
            "stage": ", ".join(each.stages) or None,
            "run by": ", ".join(dict.fromkeys(use.consumer for use in each.uses)) or None,
            "because": "; ".join(each.facts),
        }
        for each in found.touched
    ]
    if not any(row["run by"] for row in cells):
        cells = [{key: cell for key, cell in row.items() if key != "run by"} for row in cells]
    click.echo(table(cells, empty=f"none of {plural(found.versions, 'version')} was made with it"))
    warn(found.unread)
    if found.uncertified:
        which = f"{len(found.uncertified)} of {plural(found.versions, 'version')}"
        click.echo(f"warning: nothing is known of {which}: no birth certificate", err=True)


def _row(each: Touched) -> dict[str, Any]:
    uses = [use._asdict() for use in each.uses]
    return {**vars(each), "stages": list(each.stages), "facts": list(each.facts), "uses": uses}
