"""`import gto` and `import mlem`: repositories that others made, adopted as they are."""

from __future__ import annotations

import json
import shutil

import pytest
from lab import START, Lab, Repo
from linked import link_of, make_registry, make_source, saved, slope

import registry
from registry.api.gto_import import import_gto
from registry.api.mlem_import import import_mlem
from registry.errors import RegistryError
from registry.findings import ERROR

LISTED = """
cost: {type: model, path: models/cost}
table: {type: model, path: models/table.bin}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository whose artifact `cost` real gto registered and assigned, once: tests get copies."""
    repo = Lab(tmp_path_factory.mktemp("gto") / "lab").repo("gto")
    files = {f"models/{name.replace('lr', 'cost')}": data for name, data in saved().items()}
    metafile = files["models/cost.mlem"].replace(b"uri: lr", b"uri: cost")
    repo.commit({"artifacts.yaml": LISTED, "models/table.bin": "bytes\n", **files, "models/cost.mlem": metafile})
    repo.gto("register", "cost", "HEAD", "--version", "v1.0.0")
    repo.gto("assign", "cost", "--version", "v1.0.0", "--stage", "prod")
    for name in ("table", "elsewhere"):
        repo.tag(f"{name}@v1.0.0")
    repo.git("remote", "add", "origin", "https://dana:secret@github.com/mycompany/models.git")
    return repo


@pytest.fixture
def gto(lab: Lab, made: Repo) -> Repo:
    shutil.copytree(made.path, lab.root / "gto", symlinks=True)
    lab.tick(made.lab.now - START)
    return Repo(lab, lab.root / "gto")


def test_a_gto_repository_is_adopted_as_it_is(gto: Repo) -> None:
    tags = gto.tags()
    done = import_gto(gto.path)
    assert done.wrote == ".mlem/config.yaml"
    assert gto.tags() == tags
    assert gto.git("status", "--porcelain", "-uall") == "?? .mlem/config.yaml"
    assert done.findings == []
    found = {each.name: each for each in done.artifacts}
    assert found.keys() == {"cost", "table", "elsewhere"}
    assert (found["cost"].versions, found["cost"].stages, found["cost"].linked) == (
        ("v1.0.0",),
        {"prod": "v1.0.0"},
        False,
    )
    origin = "https://github.com/mycompany/models.git"
    assert found["cost"].needs == (f"registry link models/cost cost --source-project {origin} --rev cost@v1.0.0",)
    assert found["table"].path == "models/table.bin"
    assert "registry.save(model, 'models/table.bin')" in found["table"].needs[0]
    assert found["elsewhere"].needs == ("registry link MODEL elsewhere --source-project URL --rev TAG",)
    assert import_gto(gto.path).wrote is None
    assert slope(registry.load("cost", stage="prod", project=gto.path)) == 1.0


def test_the_command_that_is_told_makes_a_link_that_passes_the_gate(gto: Repo, lab: Lab) -> None:
    gto.git("remote", "set-url", "origin", gto.url)
    (line,) = next(each for each in import_gto(gto.path).artifacts if each.name == "cost").needs
    program, *words = line.split()
    assert program == "registry"
    gto.registry(*words)
    assert link_of(gto, "cost").rev == "cost@v1.0.0"
    assert not [each for each in registry.check(gto.path).findings if each.severity == ERROR]
    gto.git("add", "--all")
    gto.commit()
    assert next(each for each in import_gto(gto.path).artifacts if each.name == "cost").linked


def test_tags_that_are_skipped_are_told_with_their_reason(gto: Repo) -> None:
    gto.lightweight("cost@v2.0.0")
    ran = gto.registry("import", "gto", "--json", check=False)
    assert ran.code == 1
    assert [(each["id"], each["ref"]) for each in ran.json["findings"]] == [("tag-lightweight", "cost@v2.0.0")]
    assert ran.json["wrote"] == ".mlem/config.yaml"
    said = gto.registry("import", "gto", check=False)
    assert "cost: 1 version, prod v1.0.0; a model here: models/cost" in said.stdout
    assert "a lightweight tag" in said.stderr


def test_only_the_root_of_a_repository_here_is_adopted(gto: Repo) -> None:
    for place in (gto.path / "models", gto.bare_clone().path):
        with pytest.raises(RegistryError):
            import_gto(place)
    (gto.path / ".mlem").symlink_to(gto.lab.root)
    with pytest.raises(RegistryError, match="symlink"):
        import_gto(gto.path)


# --- MLEM -----------------------------------------------------------------------------------------------------------


def mlem_link(source: Repo, rev: str | None = "v1") -> str:
    named = f"rev: {rev}\n" if rev else ""
    return f"object_type: link\nlink_type: model\npath: lr.mlem\nproject: {source.path}\n{named}"


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A repository with links in every layout of MLEM's, and a model."""
    source = make_source(lab)
    repo = make_registry(lab)
    old = f"mlem_link: lr.mlem\nobject_type: link\nlink_type: model\nrepo: {source.path}\nrev: v1\n"
    repo.commit(
        {
            "beside.mlem": mlem_link(source),
            ".mlem/link/older.mlem": mlem_link(source),
            ".mlem/link/oldest.mlem.yaml": old,
            ".mlem/links/here.mlem": mlem_link(source),
            "moving.mlem": mlem_link(source, None),
            "models/lr.mlem": saved(kind="pickle")["lr.mlem"],
            "data.mlem": "object_type: dataset\n",
            "broken.mlem": "a: &b c\n",
        }
    )
    return repo


def test_links_and_models_of_every_layout_are_found(reg: Repo) -> None:
    found = {each.path: each for each in import_mlem(reg.path).files}
    links = {path: each.artifact for path, each in found.items() if each.kind == "link"}
    assert links == {
        ".mlem/link/older.mlem": "older", ".mlem/link/oldest.mlem.yaml": "oldest", ".mlem/links/here.mlem": "here",
        "beside.mlem": "beside", "moving.mlem": "moving",
    }  # fmt: skip
    assert not any(each.pinned for each in found.values())
    assert found["beside.mlem"].format == "sklearn, skops"
    why, line = found["beside.mlem"].needs
    assert "params.commit is missing" in why
    assert line == f"registry link lr.mlem beside --source-project {reg.lab.root / 'source'} --rev v1"
    assert line.replace("beside", "oldest") in found[".mlem/link/oldest.mlem.yaml"].needs
    assert "it has no rev" in found["moving.mlem"].needs[0]
    model = found["models/lr.mlem"]
    assert (model.kind, model.format) == ("model", "sklearn, simple_pickle")
    assert "runs code" in model.needs[-1]
    assert found["data.mlem"].kind == "other"
    assert found["broken.mlem"].needs


def test_pinned_links_are_written_beside_and_never_over(reg: Repo) -> None:
    ran = reg.registry("import", "mlem", "--write", check=False)
    assert ran.code == 1, "two are not pinned yet"
    assert "beside.mlem: link (sklearn, skops), not pinned; wrote .mlem/links/beside.mlem" in ran.stdout
    assert "remove beside.mlem: an artifact is linked once" in ran.stdout
    assert "--force writes over .mlem/links/here.mlem" in ran.stdout
    changed = set(reg.git("status", "--porcelain", "-uall").splitlines())
    assert changed == {
        f"?? .mlem/{each}"
        for name in ("beside", "older", "oldest")
        for each in (f"links/{name}.mlem", f"lineage/{name}.json")
    }
    assert link_of(reg, "oldest").artifacts
    reg.write(
        {
            "beside.mlem": None,
            ".mlem/link/older.mlem": None,
            ".mlem/link/oldest.mlem.yaml": None,
            "moving.mlem": None,
            "broken.mlem": None,
            ".mlem/links/here.mlem": None,
        }
    )
    assert not [each for each in registry.check(reg.path).findings if each.severity == ERROR]
    assert import_mlem(reg.path).complete


def test_with_force_the_links_themselves_are_pinned(reg: Repo) -> None:
    reg.write({"moving.mlem": None})
    ran = reg.registry("import", "mlem", "--write", "--force", "--json")
    wrote = {each["path"]: each["wrote"] for each in json.loads(ran.stdout) if each["kind"] == "link"}
    assert all(path == place for path, place in wrote.items())
    assert len(wrote) == 4
    reg.write({"broken.mlem": None})
    assert not [each for each in registry.check(reg.path).findings if each.severity == ERROR]
    reg.git("add", "--all")
    reg.commit()
    reg.tag("beside@v1.0.0")
    assert slope(registry.load("beside", project=reg.path)) == 1.0
    assert reg.registry("import", "mlem", "--force", check=False).code == 2


def test_a_link_whose_source_is_gone_or_hostile_is_told_and_left_out(reg: Repo) -> None:
    reg.write(
        {
            "gone.mlem": mlem_link(Repo(reg.lab, reg.lab.root / "gone")),
            "http.mlem": "object_type: link\nlink_type: model\npath: a\nproject: http://example.org/x\nrev: v1\n",
        }
    )
    found = {each.path: each for each in import_mlem(reg.path, write=True).files}
    for path in ("gone.mlem", "http.mlem"):
        assert found[path].wrote is None
        assert found[path].format is None
    assert "plain http" in found["http.mlem"].needs[-1]
    assert "no such folder" in found["gone.mlem"].needs[-1]


# --- the words of the command line ----------------------------------------------------------------------------------


def test_a_bundle_is_meant_where_no_registry_is_named(reg: Repo) -> None:
    reg.write({"mlflow": "no bundle\n", "FILE": "no bundle\n"})
    for words in (["./mlflow"], ["FILE"], ["--json", "FILE"], ["FILE", "--json"]):
        ran = reg.registry("import", *words, check=False)
        assert ran.code == 1
        assert "not a bundle" in ran.stderr
    ran = reg.registry("export", "-o", "out", "mlflow", check=False)
    assert "a folder is loaded in place" in ran.stderr
    assert reg.registry("import", "mlflow", check=False).code == 2
