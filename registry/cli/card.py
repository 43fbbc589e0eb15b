"""`card`: what people say of a model, begun, shown and rendered."""

from __future__ import annotations

import os

import click

from registry.cli import options


@click.group()
def card() -> None:
    """Begin, show or render the model card of an artifact: cards/NAME.md, in Hugging Face's format.

    NAME is the card as it is now, NAME@v1.0.3 and NAME#prod as it was when that version was registered.
    """


@card.command("init")
@options.name
@click.option("--update", "again", is_flag=True, help="Bring what this command wrote into a card up to date.")
@options.repo
@options.as_json
def init(name: str, again: bool, repo: str, as_json: bool) -> None:
    """Begin the card of NAME from its link: what the model is and takes is filled in, the rest is for people.

    The file is written, never committed; a card that is there is left alone. With --update its facts follow the link:
    library, data sets, metrics, parameters, interface. What people wrote stays as it is.

    \b
    Example:  registry card init cost_predictor
    """
    from registry.api.cards import init_card

    if again:
        _update(name, repo, as_json=as_json)
        return
    path = init_card(name, repo)
    if as_json:
        options.print_json(str(path))
        return
    click.echo(f"wrote {os.path.relpath(path)}; write what only people know into it, and commit it with the link")


def _update(name: str, repo: str, *, as_json: bool) -> None:
    from registry.api.cards import update_card

    path, done = update_card(name, repo)
    if as_json:
        options.print_json({"path": str(path), "changed": list(done.changed), "left": list(done.left)})
        return
    shown = os.path.relpath(path)
    click.echo(f"updated {shown}: {', '.join(done.changed)}" if done.changed else f"{shown} is up to date")
    if done.left:
        told = f"{', '.join(done.left)} of {shown} is what people wrote, and stays"
        click.echo(f"{told}; take it out to have it written anew", err=True)


@card.command()
@click.argument("name", shell_complete=options.names)
@options.repo
@options.as_json
def show(name: str, repo: str, as_json: bool) -> None:
    """Print the card of NAME.

    \b
    Example:  registry card show cost_predictor#prod
    """
    from registry.api.cards import read_card

    found = read_card(name, repo)
    if not as_json:
        from registry.render.card import as_text

        click.echo(as_text(found.data))
        return
    from registry.card import parse_card

    parsed = parse_card(found.data, found.path)
    sections = [
        {"title": each.title, "level": each.level, "line": each.line, "filled": each.filled, "text": each.text}
        for each in parsed.sections
    ]
    keys = ("name", "version", "stage", "commit", "path")
    told = {key: getattr(found, key) for key in keys}
    options.print_json({**told, "fields": parsed.fields.mapping(), "sections": sections})


@card.command()
@click.argument("name", shell_complete=options.names)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="The file; printed without it.")
@options.repo
@options.as_json
def render(name: str, output: str | None, repo: str, as_json: bool) -> None:
    """Render the card of NAME as one HTML page, without scripts and loading nothing.

    \b
    Example:  registry card render cost_predictor -o cost_predictor.html
    """
    from pathlib import Path

    from registry.api.cards import read_card
    from registry.api.writing import write_file
    from registry.card import parse_card
    from registry.render.card import as_html

    found = read_card(name, repo)
    page = as_html(name, parse_card(found.data, found.path))
    if output is not None:
        write_file(Path(output), page)
    if as_json:
        options.print_json({"name": name, "output": output, "html": page if output is None else None})
    else:
        click.echo(page if output is None else f"wrote {output}", nl=output is not None)
