"""What a model needs against what is installed: told beforehand by `checkenv`, and before a byte is read by the loader."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, make_registry, make_source, saved

import registry
from registry import RegistryError, cache, metafile
from registry.formats import Content, Trust, environment, load_model
from registry.metafile import Metafile, Requirement

SKLEARN = version("scikit-learn")
MAJOR = int(SKLEARN.partition(".")[0])


def needing(*requirements: Requirement) -> Metafile:
    """A saved model's metafile with these requirements alone."""
    return replace(metafile.parse(saved()["lr.mlem"], "lr.mlem"), requirements=requirements)


def sklearn(wanted: str) -> Requirement:
    return Requirement(module="sklearn", package_name="scikit-learn", version=wanted)


def loads(found: Metafile, rule: str | None = None) -> object:
    return load_model(found, {"data": Content(saved()["lr"])}, Trust(), "m.mlem", rule)


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_satisfied", set())
    monkeypatch.setattr(environment, "_warned", set())


def test_a_missing_package_is_one_error_with_the_line_that_installs_only_it() -> None:
    needs = needing(sklearn(SKLEARN), Requirement(module="no_such", version="1.2"), Requirement(module="nor_this"))
    with pytest.raises(RegistryError, match=r"no_such is missing \(wanted 1\.2\); nor_this is missing") as caught:
        loads(needs)
    assert caught.value.where == "m.mlem"
    assert caught.value.fix.startswith("pip install no_such==1.2 nor_this;")


def test_nothing_is_deserialised_where_something_is_missing() -> None:
    """Bytes that are no model are another error; it is not reached."""
    found = needing(Requirement(module="no_such", version="1"))
    with pytest.raises(RegistryError, match="no_such is missing"):
        load_model(found, {"data": Content(b"no model")}, Trust(), "m.mlem")


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [
        (SKLEARN, "ok"),
        (f"{MAJOR}.0.1", "other-version"),
        (f"{MAJOR}.999.0", "other-version"),
        (f"{MAJOR + 1}.0", "incompatible"),
        ("0.24.1", "incompatible"),
        ("not a version", "other-version"),
    ],
)
def test_another_major_version_is_an_error_and_another_smaller_one_a_warning(wanted: str, verdict: str) -> None:
    found = needing(sklearn(wanted))
    assert environment.needs(found)[0].verdict == verdict
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if verdict == "incompatible":
            with pytest.raises(RegistryError, match=f"scikit-learn is {SKLEARN}, the model was trained with {wanted}"):
                loads(found)
        else:
            loads(found)
            loads(found)
    assert [each.category for each in said] == ([registry.OtherVersion] if verdict == "other-version" else [])
    loads(found, "ignore")
    if verdict != "ok":
        with pytest.raises(RegistryError, match="trained with"):
            loads(found, "strict")


@pytest.mark.parametrize(
    ("package", "wanted", "installed", "verdict"),
    [
        ("dill", "0.3.9", "0.3.1", "other-version"),
        ("dill", "0.3.9", "0.4.0", "incompatible"),
        ("dill", "0.9.0", "1.0.0", "incompatible"),
        ("numpy", "1.26.4", "1!1.26.4", "incompatible"),
        ("numpy", "2.1", "2.1.0", "ok"),
        ("torch", "2.3.0", "2.3.0+cpu", "other-version"),
        ("skops", "0.9", "0.13", "ok"),
        ("skops", "0.13", "0.9", "incompatible"),
    ],
)
def test_below_one_the_minor_number_counts_and_skops_reads_what_is_older(
    package: str, wanted: str, installed: str, verdict: str
) -> None:
    assert environment._verdict(package, wanted, installed) == verdict


def test_a_module_that_another_package_provides_is_not_missing() -> None:
    need = environment.needs(needing(Requirement(module="yaml", version="6.0")))[0]
    assert (need.installed, need.verdict) == (version("PyYAML"), need.verdict)
    assert need.verdict != "missing"


def test_the_authors_own_modules_are_looked_for_and_neither_imported_nor_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Requirement("custom", extra={"name": "authors_own", "source64zip": "eJw=", "is_package": "false"})
    with pytest.raises(RegistryError, match="module authors_own is missing") as caught:
        loads(needing(own))
    assert "put the author's own authors_own on the Python path" in caught.value.fix
    (tmp_path / "authors_own.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    loads(needing(own))
    assert "authors_own" not in sys.modules
    loads(needing(Requirement("custom", extra={"name": "__main__"}), Requirement("unix", package_name="libgomp1")))


@pytest.mark.parametrize("name", ["x; rm -rf ~", "-r", "a b", "../x", "x==1 y"])
def test_odd_names_never_reach_the_install_line(name: str) -> None:
    found = environment.needs(
        needing(Requirement(module=name, version="1"), Requirement(module="no_such", version="1 2"))
    )
    line = environment.install(environment.blocking(found, "compatible"))
    assert name not in line
    assert "1 2" not in line


def test_the_rule_is_the_calls_or_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    found = needing(Requirement(module="no_such", version="1"))
    monkeypatch.setenv("REGISTRY_REQUIREMENTS", "ignore")
    loads(found)
    with pytest.raises(RegistryError, match="no_such"):
        loads(found, "compatible")
    monkeypatch.setenv("REGISTRY_REQUIREMENTS", "perhaps")
    with pytest.raises(RegistryError, match="'perhaps' is no rule") as caught:
        loads(found)
    assert "REGISTRY_REQUIREMENTS" in caught.value.where


# --- the command --------------------------------------------------------------------------------------------------------


def registry_with(lab: Lab, *requirements: Requirement) -> Repo:
    text = metafile.dump(needing(*requirements)).encode()
    made = make_registry(lab)
    add(made, make_source(lab, files={**saved(), "lr.mlem": text}).url, stage="prod")
    return made


def test_checkenv_tells_what_is_missing_and_brings_no_artifact(lab: Lab) -> None:
    reg = registry_with(lab, sklearn(SKLEARN), Requirement(module="no_such", version="1.2"))
    for path in cache.root().rglob("*"):
        if path.is_file() and path.read_bytes() == saved()["lr"]:
            path.unlink()
    ran = registry_here(reg.path, "checkenv", "m", "--stage", "prod")
    assert ran.code == 1
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["scikit-learn", SKLEARN, SKLEARN, "ok"] in lines
    assert ["no_such", "1.2", "-", "missing"] in lines
    assert ran.stdout.splitlines()[-1] == "pip install no_such==1.2"
    assert not any(path.is_file() and path.read_bytes() == saved()["lr"] for path in cache.root().rglob("*"))
    asked = registry_here(reg.path, "checkenv", "m", "--json")
    told = json.loads(asked.stdout)
    assert (asked.code, told["loads"], told["install"], told["rule"]) == (
        1,
        False,
        "pip install no_such==1.2",
        "compatible",
    )
    assert {need["package"] for need in told["needs"]} == {"scikit-learn", "no_such", "skops"}
    with pytest.raises(RegistryError, match="no_such is missing"):
        registry.load("m", project=reg.path)
    assert registry_here(reg.path, "checkenv", "m", "--requirements", "ignore").code == 0


def test_checkenv_ends_with_0_where_the_model_loads(lab: Lab) -> None:
    reg = registry_with(lab, sklearn(SKLEARN))
    ran = registry_here(reg.path, "checkenv", "m")
    assert (ran.code, "pip" in ran.stdout) == (0, False)
    found = registry.checkenv("m", project=reg.path)
    assert (found.loads, found.install, found.problems) == (True, "", ())


def test_checkenv_tells_what_no_installation_mends(lab: Lab) -> None:
    reg = make_registry(lab)
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nformats: {pickle: never}\n"})
    add(reg, make_source(lab, files=saved(1.0, "pickle")).url)
    ran = registry_here(reg.path, "checkenv", "m")
    assert ran.code == 1
    assert "processor 'model': simple_pickle runs code when it is read" in ran.stdout
