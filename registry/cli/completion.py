"""Shell completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:  registry completion bash >> ~/.bashrc
    """
    from registry.cli.app import app

    made = get_completion_class(shell)
    if made is None:  # pragma: no cover - the three are click's own
        raise click.UsageError(f"No completion for {shell}.")
    click.echo(made(app, {}, "registry", "_REGISTRY_COMPLETE").source())
