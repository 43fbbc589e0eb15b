"""Commands about what lies on this machine: the cache, and bundles for places without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from registry.cli import options
from registry.cli.progress import Progress, Transfers
from registry.plural import plural


@click.group()
def cache() -> None:
    """What is kept on this machine: how much it is, whether it is whole, and making it smaller.

    It lies in REGISTRY_CACHE_DIR, and is held to REGISTRY_CACHE_LIMIT (such as 20 GB) where that is set.
    """


@cache.command()
@options.as_json
def info(*, as_json: bool) -> None:
    """Say where the cache is and what it holds."""
    from registry.cache.upkeep import info as ask

    found = ask()
    if as_json:
        options.print_json(
            {
                "path": str(found.path),
                "bytes": found.bytes,
                "total": found.total,
                "files": found.files,
                "unfinished": found.unfinished,
                "limit": found.limit,
            }
        )
        return
    click.echo(f"{found.path}: {size(found.total)}")
    for kind, count in found.bytes.items():
        click.echo(f"  {_KINDS[kind]}: {size(count)}")
    click.echo(f"  {plural(found.files, 'file')}, {plural(found.unfinished, 'unfinished download')}")
    click.echo(f"  limit: {size(found.limit) if found.limit is not None else 'none (REGISTRY_CACHE_LIMIT)'}")


@cache.command()
@click.option("--limit", "most", metavar="SIZE", help="Such as 5 GB. Default: REGISTRY_CACHE_LIMIT, else 0.")
@click.option("--all", "everything", is_flag=True, help="Copies of registries too: nothing answers offline afterwards.")
@options.as_json
def prune(*, most: str | None, everything: bool, as_json: bool) -> None:
    """Take out what was used longest ago, never what is in use."""
    from registry.cache.upkeep import limit, parse_size
    from registry.cache.upkeep import prune as take

    taken = take(parse_size(most) if most is not None else limit() or 0, everything=everything)
    freed = sum(item.size for item in taken)
    if as_json:
        options.print_json({"removed": [str(item.path) for item in taken], "bytes": freed})
    else:
        click.echo(f"{len(taken)} removed, {size(freed)} freed")


@cache.command()
@options.as_json
def verify(*, as_json: bool) -> int:
    """Hash every kept file; exit 1 where one had to be thrown out (it is fetched again when it is needed)."""
    from registry.cache.upkeep import verify as hash_all

    with Progress("verifying") as progress:
        count, bad = hash_all(progress.step)
    if as_json:
        options.print_json({"files": count, "removed": [str(path) for path in bad]})
    else:
        click.echo(f"{plural(count, 'file')} verified, {len(bad)} thrown out")
    return 1 if bad else 0


@click.command("NAMES")
@click.argument("names", nargs=-1, required=True, shell_complete=options.names)
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False), help="The bundle.")
@click.option("--version", "versions", multiple=True, help="Only this version; may be repeated.")
@options.repo
@options.as_json
def export(names: tuple[str, ...], output: str, versions: tuple[str, ...], repo: str, *, as_json: bool) -> None:
    """Write NAMES into one file for a place without a network: tags, links, and every file, verified.

    Without --version these are the versions that stages hold, and the latest.

    \b
    Example:  registry export cost_predictor -o models.bundle -r https://github.com/mycompany/model-registry
    """
    from registry.api.bundling import export as write

    with Transfers() as progress:
        done = write(names, output, project=repo, versions=versions, step=progress.step)
    _tell(done, as_json=as_json)


@click.command("FILE")
@click.argument("bundle", type=click.Path(dir_okay=False))
@options.as_json
def import_(bundle: str, *, as_json: bool) -> None:
    """Take a BUNDLE of `registry export` into the cache.

    Its artifacts then load offline by the registry's URL.
    """
    from registry.api.bundling import import_bundle

    with Transfers() as progress:
        done = import_bundle(bundle, step=progress.step)
    _tell(done, as_json=as_json)


def _tell(done: Any, *, as_json: bool) -> None:
    if as_json:
        options.print_json(
            {
                "bundle": str(done.path),
                "project": done.project,
                "versions": [f"{name}@{version}" for name, version in done.versions],
                "files": done.files,
                "bytes": done.bytes,
            }
        )
        return
    listed = ", ".join(f"{name}@{version}" for name, version in done.versions)
    held = f"{plural(done.files, 'file')}, {size(done.bytes)}"
    click.echo(f"{Path(done.path).name}: {listed}; {held}; registry {done.project}")


def size(count: int) -> str:
    """A number of bytes as people read it."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":  # noqa: PLR2004 - powers of ten
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


_KINDS = {
    "sha256": "files of models",
    "sources": "copies of source repositories",
    "graphs": "histories of source repositories",
    "registries": "copies of registries",
    "models": "folders of `registry fetch`",
    "signatures": "what was found of signatures",
    "ledgers-read": "ledgers as they were read",
    "residents": "which models lie in registries",
    "gates": "verdicts of gates",
    "verdicts": "links that were found sound",
}
