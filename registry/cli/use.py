"""Commands that use a model: load, predict, fetch, checkenv."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from registry.cli import options
from registry.cli.app import FAILED
from registry.cli.progress import Transfers
from registry.errors import RegistryError


def _selected(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        options.as_json,
        options.repo,
        click.option("--rev", help="A revision of the registry, instead of a version or stage."),
        options.version(),
        options.stage(required=False, text="The stage whose version is used."),
        options.name,
    ):
        command = option(command)
    return command


@click.command()
@_selected
def load(name: str, stage: str | None, version: str | None, rev: str | None, repo: str, as_json: bool) -> None:
    """Load NAME and say what was loaded: every file verified, then deserialised, as an application would.

    Without --stage and --version it is the latest version.
    """
    from registry.api.loading import bring, load_fetched
    from registry.api.resolving import resolve

    resolved = resolve(name, stage, version, rev, repo)
    with Transfers(quiet=as_json) as transfers:
        fetched = bring(resolved, step=transfers.step)
    model = load_fetched(fetched)
    told: dict[str, Any] = {
        "name": resolved.name,
        "version": resolved.version,
        "stage": resolved.stage,
        "tag": resolved.tag,
        "registry_commit": resolved.commit,
        "source": str(resolved.source),
        "rev": resolved.link.rev,
        "source_commit": resolved.source_commit,
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "methods": sorted(fetched.metafile.interface.methods),
        "sha256": {name: file.sha256 for name, file in fetched.files.items()},
    }
    if as_json:
        options.print_json(told)
        return
    for key, value in told.items():
        if value is not None:
            click.echo(f"{key.replace('_', ' ')}: {_line(value)}")


def _line(value: object) -> object:
    """A value in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {digest}" for name, digest in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@click.command()
@_selected
@click.option(
    "--data",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="CSV or JSON rows; - for standard input.",
)
@click.option("--method", default=None, help="The method to call, where the model has several.")
def predict(
    name: str,
    stage: str | None,
    version: str | None,
    rev: str | None,
    repo: str,
    as_json: bool,
    data: str,
    method: str | None,
) -> None:
    """Predict with NAME for the rows of a CSV or JSON file, one result a line.

    \b
    Example:  registry predict cost_predictor --stage prod --data rows.csv
    """
    from registry.api.predicting import predict as ask

    text = _read(data)
    with Transfers(quiet=as_json) as transfers:
        result = ask(
            name, text, stage=stage, version=version, rev=rev, project=repo, method=method, progress=transfers.step
        )
    if as_json:
        options.print_json(result)
        return
    for row in result if isinstance(result, list) else [result]:
        click.echo(row)


def _read(path: str) -> str:
    try:
        return (sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RegistryError(f"the data cannot be read: {said}", path, "name a CSV or JSON file") from None


@click.command()
@_selected
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(file_okay=False), help="Folder to write to."
)
def fetch(
    name: str, stage: str | None, version: str | None, rev: str | None, repo: str, as_json: bool, output: str
) -> None:
    """Write the verified files of NAME into a folder: the metafile and its artifacts, as they lie in the source."""
    from registry.api.loading import bring, lay_out
    from registry.api.resolving import resolve

    with Transfers(quiet=as_json) as transfers:
        folder = lay_out(bring(resolve(name, stage, version, rev, repo), step=transfers.step), Path(output))
    if as_json:
        options.print_json({"folder": str(folder)})
    else:
        click.echo(folder)


@click.command()
@_selected
@click.option(
    "--requirements",
    type=click.Choice(["strict", "compatible", "ignore"]),
    help="Which versions do: the exact ones, those of the same major number (the default), any.",
)
def checkenv(
    name: str,
    stage: str | None,
    version: str | None,
    rev: str | None,
    repo: str,
    as_json: bool,
    requirements: str | None,
) -> int:
    """Tell whether NAME would load here: its packages and their versions, without fetching the model.

    Ends with 1 where it would not, and prints the command that installs what is missing.
    """
    from registry.api.checkenv import checkenv as ask
    from registry.render.table import table

    found = ask(name, stage, version, rev, repo, requirements=requirements)
    needs = [
        {"package": need.package, "wanted": need.wanted, "installed": need.installed, "verdict": need.verdict}
        for need in found.needs
    ]
    if as_json:
        told = {
            "name": found.resolved.name,
            "version": found.resolved.version,
            "loads": found.loads,
            "rule": found.rule,
        }
        options.print_json({**told, "needs": needs, "problems": list(found.problems), "install": found.install or None})
    else:
        click.echo("\n".join(filter(None, (table(needs), *found.problems, found.install))))
    return 0 if found.loads else FAILED
