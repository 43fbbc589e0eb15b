"""Real MLEM 0.4 against ours, each reading what the other wrote.

`REGISTRY_MLEM_PYTHON` names an interpreter with mlem and the scikit-learn of this environment; without it: skipped.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import sklearn
from lab import Lab, Repo
from linked import COLUMNS, ROWS, add, link_of, make_registry, make_source, saved, slope

import registry
from registry.linkfile import parse_link

MLEM = os.environ.get("REGISTRY_MLEM_PYTHON", "")
pytestmark = pytest.mark.skipif(not MLEM, reason="REGISTRY_MLEM_PYTHON names no interpreter with mlem")

SAVE = f"""
import sys
import pandas as pd
from mlem.api import init, link, save
from sklearn.linear_model import LinearRegression
init(".")
rows = pd.DataFrame({ROWS.to_dict("list")!r})
model = LinearRegression(fit_intercept=False).fit(rows, rows["x"] * 4)
save(model, "lr", sample_data=rows)
save(model, "plain")
print([float(value) for value in model.predict(rows)])
"""
LINK = """
import sys
from mlem.api import link
link(sys.argv[1], source_project=sys.argv[2], target=sys.argv[3])
"""
PARSE = """
import json, sys
from mlem.core.metadata import load_meta
link = load_meta(sys.argv[1], follow_links=False)
print(json.dumps([type(link).__name__, link.path, link.project, link.rev, link.link_type, link.params]))
"""
FOLLOW = """
import sys
import pandas as pd
from mlem.api import load
model = load(sys.argv[1])
print([round(float(value), 6) for value in model.predict(pd.DataFrame({"x": [1.0], "y": [0.0]}))])
"""


def mlem(cwd: Path, lab: Lab, code: str, *arguments: str) -> str:
    """What a script of MLEM prints."""
    env = {"PYTHONPATH": None, "MLEM_NO_ANALYTICS": "true", "MLEM_TESTS": "true"}
    out = lab.run(MLEM, "-W", "ignore", "-c", code, *arguments, cwd=cwd, env=env).stdout
    return out.strip().rpartition("\n")[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A source whose model MLEM itself wrote, once: nothing here changes it."""
    lab = Lab(tmp_path_factory.mktemp("made") / "lab")
    source = lab.repo("made")
    told = mlem(source.path, lab, SAVE)
    assert told.startswith("[")
    source.git("add", "--all")
    source.commit()
    source.tag("v1")
    return source


@pytest.fixture(scope="module")
def same_sklearn(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where a pickle of one environment cannot be read in the other."""
    lab = Lab(tmp_path_factory.mktemp("version") / "lab")
    other = mlem(lab.root, lab, "from importlib.metadata import version; print(version('scikit-learn'))")
    if other != sklearn.__version__:
        pytest.skip(f"MLEM's interpreter has scikit-learn {other}, ours {sklearn.__version__}: pickles do not cross")


def test_mlem_parses_the_link_we_write_with_every_pin(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    add(reg, source.url)
    kind, path, project, rev, link_type, params = __import__("json").loads(
        mlem(reg.path, lab, PARSE, ".mlem/links/m.mlem")
    )
    ours = link_of(reg)
    assert (kind, path, project, rev, link_type) == ("MlemLink", ours.path, ours.project, ours.rev, "model")
    assert params == dict(ours.params)
    assert len(params) == 5


@pytest.mark.usefixtures("same_sklearn")
def test_mlem_follows_the_link_we_write_to_a_pickle_we_saved(lab: Lab) -> None:
    source = make_source(lab, files=saved(4.0, "pickle"))
    reg = make_registry(lab)
    add(reg, source.url)
    assert slope(registry.load("m", project=reg.path)) == 4.0
    plain = replace(link_of(reg), rev=None)
    text = registry.linkfile.format_link(plain)
    (reg.path / "follow.mlem").write_text(text)
    assert mlem(reg.path, lab, FOLLOW, "follow.mlem") == "[4.0]"


@pytest.mark.thorough
@pytest.mark.usefixtures("same_sklearn")
def test_links_that_mlem_wrote_are_pinned_and_predict_the_same(lab: Lab, made: Repo) -> None:
    reg = make_registry(lab)
    mlem(reg.path, lab, LINK, "lr", str(made.path), "cost.mlem")
    (found,) = registry.import_mlem(reg.path).files
    assert (found.kind, found.artifact, found.pinned, found.format) == ("link", "cost", False, None)
    assert any("it has no rev" in each for each in found.needs)
    text = (reg.path / "cost.mlem").read_text()
    reg.write({"cost.mlem": f"{text}rev: v1\n"})
    (found,) = registry.import_mlem(reg.path, write=True, force=True).files
    assert (found.wrote, found.format) == ("cost.mlem", "sklearn, simple_pickle")
    assert mlem(reg.path, lab, PARSE, "cost.mlem").startswith('["MlemLink", "lr.mlem"'), "MLEM reads it still"
    reg.git("add", "--all")
    reg.commit()
    reg.tag("cost@v1.0.0")
    assert slope(registry.load("cost", project=reg.path)) == 4.0
    (model, _) = registry.import_mlem(made.path).files
    assert (model.path, model.kind, model.format) == ("lr.mlem", "model", "sklearn, simple_pickle")


@pytest.mark.thorough
@pytest.mark.usefixtures("same_sklearn")
@pytest.mark.parametrize("name", ["lr", "plain"])
def test_a_model_that_mlem_wrote_is_linked_and_predicts_the_same(lab: Lab, made: Repo, name: str) -> None:
    reg = make_registry(lab)
    registry.link(name, "m", source_project=made.url, rev="v1", project=reg.path)
    reg.git("add", "--all")
    reg.commit()
    reg.tag("m@v1.0.0")
    assert slope(registry.load("m", project=reg.path)) == 4.0
    assert mlem(made.path, lab, FOLLOW, name) == "[4.0]"
    resolved = registry.resolve("m", project=reg.path)
    from registry.api.loading import bring

    method = bring(resolved).metafile.interface.methods["predict"]
    assert [str(column) for column in getattr(method.args[0].type_, "columns", ())] == (COLUMNS if name == "lr" else [])


@pytest.mark.thorough
def test_a_link_that_mlem_wrote_is_read_and_refused_for_its_missing_pins(lab: Lab, made: Repo) -> None:
    reg = make_registry(lab)
    mlem(reg.path, lab, LINK, "lr", str(made.path), ".mlem/links/m")
    data = (reg.path / ".mlem/links/m.mlem").read_bytes()
    link = parse_link(data, "m")
    assert (link.path, link.rev, link.link_type) == ("lr.mlem", None, "model")
    assert link.project
    assert str(made.path) in link.project
    reg.git("add", "--all")
    reg.commit()
    reg.tag("m@v1.0.0")
    with pytest.raises(registry.Refused) as caught:
        registry.load("m", project=reg.path)
    assert caught.value.reason == "revision-pinned"
