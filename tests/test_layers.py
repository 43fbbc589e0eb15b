"""The order of imports: each module stands in one layer and imports from its own or a lower one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "registry"

LAYERS = (
    ("errors", "findings", "plural"),
    (
        "annotations", "card", "carddiff", "carddraft", "cardfacts", "cardfields", "cardupdate", "channels", "commit", "comparison", "consumers", "containment", "datatypes", "direction", "document", "evaluation", "eventkind", "external", "hosts", "interface", "interfacediff", "layout", "ledger", "ledgerchain", "ledgertree", "lineage", "linkfile", "lockfile", "metafile", "mlmodel", "mlsignature", "names", "notice",
        "ranges", "reportdiff", "shape", "shapechoice", "signature", "strictyaml", "substitution", "suite", "tags", "tomltable", "urlpattern", "versions",
    ),
    ("approval", "compliance", "evidence", "governance", "holdings", "moments", "policy", "policyfaults", "policygates", "policystages", "policytimes", "received", "signaturerules", "state", "tagrules", "tenure", "trail", "views"),
    ("cache", "git", "offline", "signing", "timeouts", "urls"),
    ("formats", "measures", "stores"),
    ("provenance",),
    ("checks",),
    ("gates",),
    ("api",),
    ("", "notifying", "render"),  # the package itself is the front of `api`
    ("__main__", "cli", "templates"),
)  # fmt: skip
"""From the bottom up; a name stands for the module, or the package with all its modules."""

PURE = {name for layer in LAYERS[:3] for name in layer}
"""Modules that take values and return values: no file, no process, no clock, no environment."""
STANDARD_FOR_PURE = {
    "__future__", "abc", "base64", "bisect", "collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "io",
    "itertools", "json", "math", "operator", "posixpath", "re", "secrets", "shlex", "string", "sys", "textwrap", "types", "typing", "unicodedata", "urllib",
}  # fmt: skip
GRAMMARS = {
    "click": {"cli"},
    "pydantic": {"evaluation"},
    "yaml": {"strictyaml"},
    "ruamel": {"annotations"},
    "tomllib": {"tomltable"},
    "tomli": {"tomltable"},
    "tomli_w": {"lockfile"},
    "cryptography": set(),
    "sshsig": set(),
}
"""Dependencies, and the only layers' names that may import them when they are imported themselves."""


def module_name(path: Path) -> str:
    """`api.load` of `registry/api/load.py`, and of a package its own name; nothing for the root."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer_of(module: str) -> int:
    head = module.partition(".")[0]
    found = [number for number, names in enumerate(LAYERS) if head in names]
    assert len(found) == 1, f"registry.{module} stands in {len(found)} layers: give it its place in LAYERS"
    return found[0]


def imports(module: str, *, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """Absolute names of what a module imports, with the line; `top_only` leaves out what is imported when needed."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in top_level(tree) if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"registry.{module}, line {node.lineno}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                known = full.removeprefix("registry.") in MODULES
                yield full if known else str(node.module), node.lineno


def top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Statements that run when the module is imported: none of a function's, none for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not typing and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from top_level(node)


def own(name: str) -> str | None:
    """The module of this package a name stands for."""
    if name == "registry":
        return ""
    return name.removeprefix("registry.") if name.startswith("registry.") else None


def test_every_module_stands_in_exactly_one_layer() -> None:
    for module in MODULES:
        layer_of(module)
    used = {module.partition(".")[0] for module in MODULES}
    assert {name for layer in LAYERS for name in layer} <= used, "LAYERS names a module that is gone"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards_only(module: str) -> None:
    for name, line in imports(module):
        target = own(name)
        if target is not None:
            assert layer_of(target) <= layer_of(module), f"registry.{module}, line {line} imports {name} from above"


@pytest.mark.parametrize("module", [module for module in MODULES if module.partition(".")[0] in PURE])
def test_pure_modules_can_reach_no_disk_process_network_or_clock(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for name, line in imports(module):
        head = name.partition(".")[0]
        allowed = head in STANDARD_FOR_PURE or head == "registry" or module in GRAMMARS.get(head, ())
        assert allowed, f"registry.{module}, line {line}: a pure module imports {name}"
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    called |= {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "datetime.now", "datetime.utcnow", "datetime.today"}


def test_dependencies_are_imported_where_their_layer_is() -> None:
    for module in MODULES:
        for name, line in imports(module, top_only=True):
            homes = GRAMMARS.get(name.partition(".")[0])
            assert homes is None or module.partition(".")[0] in homes, f"registry.{module}, line {line} imports {name}"


def test_only_git_s_package_ssh_keygen_s_and_the_one_of_evaluations_start_processes() -> None:
    starters = {"subprocess", "multiprocessing", "pty", "git", "pexpect"}
    found = {m for m in MODULES for name, _ in imports(m) if name.partition(".")[0] in starters}
    assert found == {"git.process", "git.branch", "git.gh", "api.confining", "signing.keygen"}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {m: {t for name, _ in imports(m, top_only=True) if (t := own(name)) is not None} - {m} for m in MODULES}
    while leaves := {module for module, targets in graph.items() if not targets & graph.keys()}:
        graph = {module: targets for module, targets in graph.items() if module not in leaves}
    assert not graph, f"these import each other: {', '.join(sorted(graph))}"
