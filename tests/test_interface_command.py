"""`registry interface`: show, export and diff, of versions, stages and revisions."""

from __future__ import annotations

import shutil

import pytest
from lab import Lab, Repo
from linked import make_registry, make_source
from test_numbering import ADDED, BROKEN, NARROW, SAME, link, model

import registry
from registry.api import interfaces
from registry.errors import NotFound, RegistryError
from registry.interface import parse_contract
from registry.interfacediff import Diff


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A registry with `m`: v0.1.0, v1.0.0 in prod, v1.1.0 with an addition, v2.0.0 with another column."""
    source = make_source(lab)
    reg = make_registry(lab)
    for version, change in (("v0.1.0", BROKEN), ("v1.0.0", SAME), ("v1.1.0", ADDED), ("v2.0.0", BROKEN)):
        source.commit({**model(change), "version": version})
        source.tag(version)
        link(reg, source, version)
        reg.tag(f"m@{version}")
        if version == "v1.0.0":
            reg.tag("m#prod#1")
    return reg


def test_show_tells_methods_arguments_and_columns(reg: Repo) -> None:
    ran = reg.registry("interface", "show", "m@v1.1.0")
    assert ran.stdout.splitlines() == [
        "predict(X: dataframe of 2 columns, scale: unspecified = 1) -> ndarray of float64 [*]",
        "  X['x']: float64",
        "  X['y']: float64",
    ]


@pytest.mark.parametrize(
    ("name", "version", "column"), [("m", "v2.0.0", "z"), ("m#prod", "v1.0.0", "y"), ("m@v1.1.0", "v1.1.0", "y")]
)
def test_show_takes_the_latest_version_a_stage_or_a_version(reg: Repo, name: str, version: str, column: str) -> None:
    told = reg.registry("interface", "show", name, "--json").json
    assert (told["name"], told["version"]) == ("m", version)
    assert told["methods"]["predict"]["args"][0]["type_"]["columns"] == ["x", column]


def test_diff_says_what_changed_and_the_least_version(reg: Repo) -> None:
    ran = reg.registry("interface", "diff", "m", "#prod", "v1.1.0")
    assert ran.stdout.splitlines() == [
        "addition  method predict, argument scale: none -> optional scale: unspecified = 1",
        "least bump: minor, v1.1.0 after #prod",
    ]
    assert reg.registry("interface", "diff", "m", "v1.0.0", "v1.0.0").stdout.startswith("no changes\n")


def test_a_breaking_diff_ends_with_one(reg: Repo) -> None:
    ran = reg.registry("interface", "diff", "m", "v1.1.0", "HEAD", check=False)
    assert ran.code == 1
    assert "breaking  method predict, argument X, column 'y': float64 -> no such column\n" in ran.stdout
    assert ran.stdout.endswith("least bump: major, v2.0.0 after v1.1.0\n")
    told = reg.registry("interface", "diff", "m", "v1.1.0", "v2.0.0", "--json", check=False)
    assert told.code == 1
    found = told.json
    assert (found["breaking"], found["bump"], found["least_version"]) == (True, "major", "v2.0.0")
    assert found["from"]["version"] == "v1.1.0"
    assert {
        "method": "predict",
        "place": "argument scale",
        "before": "optional scale: unspecified = 1",
        "after": "none",
        "kind": "breaking",
    } in found["changes"]


def test_below_1_0_0_a_breaking_change_asks_for_a_minor_and_a_revision_for_no_version(reg: Repo) -> None:
    assert interfaces.compare("m", "v0.1.0", "v1.0.0", reg.path).least == "v0.2.0"
    by_commit = interfaces.compare("m", reg.rev("m@v0.1.0^{}"), "#prod", reg.path)
    assert (by_commit.bump, by_commit.least) == ("major", None)


def test_what_export_writes_is_a_contract_that_the_model_keeps(reg: Repo) -> None:
    ran = reg.registry("interface", "export", "m")
    assert ran.stdout == "wrote interfaces/m.yaml\n"
    contract = parse_contract((reg.path / "interfaces/m.yaml").read_bytes(), "m")
    assert interfaces.compare("m", "v2.0.0", "v2.0.0", reg.path).diff == Diff()
    assert contract.to_dict() == interfaces.describe("m", reg.path).interface.to_dict()
    assert registry.check(reg.path).passed
    reg.registry("interface", "export", "m#prod")
    errors = [finding.id for finding in registry.check(reg.path).findings if finding.severity == "error"]
    assert set(errors) == {"interface-matches"}


def test_export_writes_one_file_where_it_is_told_to(lab: Lab, reg: Repo) -> None:
    outside = lab.root / "elsewhere" / "c.yaml"
    reg.registry("interface", "export", "m@v1.0.0", "-o", str(outside))
    assert parse_contract(outside.read_bytes(), "c").methods
    assert reg.registry("interface", "export", "m", "m#prod", "-o", str(outside), check=False).code == 2
    assert not (reg.path / "interfaces").exists()


def test_export_never_writes_through_a_symlink_nor_into_a_bare_registry(lab: Lab, reg: Repo) -> None:
    bare = reg.bare_clone()
    with pytest.raises(RegistryError, match="work tree"):
        interfaces.export("m", project=bare.path)
    (lab.root / "elsewhere").mkdir()
    (reg.path / "interfaces").symlink_to(lab.root / "elsewhere")
    with pytest.raises(RegistryError, match="symlink"):
        interfaces.export("m", project=reg.path)
    assert not list((lab.root / "elsewhere").iterdir())


@pytest.mark.parametrize("place", ["v9.9.9", "#staging", "nowhere"])
def test_what_is_not_there_is_told_in_one_line_each(reg: Repo, place: str) -> None:
    with pytest.raises(NotFound):
        interfaces.compare("m", place, "v1.0.0", reg.path)
    ran = reg.registry("interface", "diff", "m", place, "v1.0.0", check=False)
    assert ran.code == 1
    assert ran.stderr.startswith("error: ")


def test_nothing_but_the_metafile_is_read(lab: Lab, reg: Repo) -> None:
    """The model's own file may be gone: its interface is still known."""
    source = Repo(lab, lab.root / "source")
    blob = source.rev("v2.0.0:lr")
    (source.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    shutil.rmtree(lab.cache, ignore_errors=True)
    assert interfaces.describe("m", reg.path).interface.methods
    with pytest.raises(RegistryError):
        registry.load("m", project=reg.path)


def test_a_name_from_a_model_does_not_reach_the_terminal_as_an_order(lab: Lab) -> None:
    files = model(NARROW)
    files["lr.mlem"] = files["lr.mlem"].replace(b"- name: X\n", b'- name: "X\\e[2J"\n')
    source = make_source(lab, files=files)
    reg = make_registry(lab)
    link(reg, source, "v1")
    reg.tag("m@v1.0.0")
    ran = reg.registry("interface", "show", "m")
    assert "\x1b" not in ran.stdout
    assert "X\\x1b[2J" in ran.stdout
