"""The command line. Only this package prints or exits; each command is one call of the public API and one renderer."""

from registry.cli.app import main

__all__ = ["main"]
