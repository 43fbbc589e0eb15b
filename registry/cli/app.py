"""The command `registry` (and `git registry`): its groups, its exit codes, and what a user sees when something fails.

Exit codes: 0 done, 1 an expected failure or a blocking finding, 2 usage, 3 a bug, 130 interrupted. A command's module
is imported only when that command runs, so that a question costs little more than starting Python.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from registry.errors import RegistryError
from registry.render.line import lines

DONE, FAILED, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130

COMMANDS = {
    "Set up and link": {
        "init": "setup:init",
        "link": "setup:link",
        "check": "setup:check",
        "interface": "interface:interface",
        "card": "card:card",
        "evaluate": "evaluate:evaluate",
        "policy": "policy:policy",
        "server-hook": "server_hook:server_hook",
        "compare": "compare:compare",
        "diff": "compare:diff",
    },
    "Record events": {
        "register": "record:register",
        "assign": "promote:assign",
        "unassign": "record:unassign",
        "deregister": "record:deregister",
        "deprecate": "record:deprecate",
        "rollback": "promote:rollback",
        "revoke": "promote:revoke",
        "archive": "promote:archive",
        "request": "approve:request",
        "approve": "approve:approve",
        "notify": "notify:notify",
    },
    "Ask": {
        "show": "ask:show",
        "which": "which:which",
        "latest": "which:latest",
        "history": "ask:history",
        "stages": "ask:stages",
        "gates": "gates:gates",
        "check-ref": "ask:check_ref",
        "doctor": "ask:doctor",
        "verify": "setup:verify",
        "lineage": "lineage:lineage",
        "impact": "lineage:impact",
        "approvals": "approve:approvals",
        "signers": "signers:signers",
        "ledger": "ledger:ledger",
        "consumers": "consumers:consumers",
        "audit": "audit:audit",
        "report": "audit:report",
    },
    "Use": {
        "load": "use:load",
        "predict": "use:predict",
        "fetch": "use:fetch",
        "checkenv": "use:checkenv",
        "cache": "cache:cache",
        "export": "exchange:export",
        "import": "exchange:import_",
        "lock": "lock:lock",
        "forget": "lock:forget",
        "completion": "completion:completion",
    },
}


class Commands(click.Group):
    """A group whose commands are imported when they are asked for, and listed under headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as in click
        """Names in the order of `COMMANDS`."""
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as in click
        """Import one command."""
        for group in COMMANDS.values():
            if cmd_name in group:
                module, _, attribute = group[cmd_name].partition(":")
                command = getattr(import_module(f"registry.cli.{module}"), attribute)
                return command if isinstance(command, click.Command) else None
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands under their headings."""
        for heading, group in COMMANDS.items():
            commands = ((name, self.get_command(ctx, name)) for name in group)
            rows = [(name, command.get_short_help_str(90)) for name, command in commands if command]
            with formatter.section(heading):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say which one may have been meant."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader of its output that went away is no failure, as it is to click."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"git-model-registry {version('git-model-registry')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def app() -> None:
    """A model registry that is only a git repository, and refuses what was not pinned, verified and approved.

    Versions and stages are git tags in gto's grammar (model@v1.0.3, model#prod#4); models are links to pinned revisions
    of their own repositories.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    warnings.showwarning = _warn
    try:
        result: Any = app.main(args=None if argv is None else list(argv), prog_name="registry", standalone_mode=False)
    except RegistryError as error:
        click.echo(lines(f"error: {error}"), err=True)
        return FAILED
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return FAILED
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        click.echo(f"error: the system said {error.strerror or error}{where}", err=True)
        return FAILED
    except Exception:  # noqa: BLE001 - the last line of defence: a bug is told as one
        _report()
        return BUG
    return result if isinstance(result, int) else DONE


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(lines(f"warning: {message}"), err=True)


def _report() -> None:
    import platform
    import traceback

    click.echo("This is a bug in git-model-registry. Please report it with the lines below.\n", err=True)
    click.echo(f"python {platform.python_version()}, {platform.platform()}", err=True)
    click.echo(traceback.format_exc(), err=True)
