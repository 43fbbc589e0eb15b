"""`registry compare` and `diff`: what changed between two versions, stages, revisions, or in a pull request."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Ran, Repo
from linked import add, commit_version, edit_link, link_of, make_registry, make_source, saved, served

import registry
from registry.api.candidates import Candidate
from registry.api.comparing import series
from registry.comparison import Side, compare
from registry.evaluation import Evaluation, Interval, format_report
from registry.offline import offline
from registry.render.comparison import as_json
from registry.render.comparison_markdown import candidates_as_markdown
from registry.render.evaluation import as_markdown as report_as_markdown
from registry.render.markdown import LONGEST

V1 = {
    "metrics.json": '{"r2": 0.8, "mean_absolute_error": 0.5, "profit": 10, "kept": 1}\n',
    "params.yaml": "alpha: 0.5\nseed: 1\nold: x\n",
    "requirements.txt": "numpy==1.26.0\nscipy==1.11.0\n",
}
V2 = {
    "metrics.json": '{"r2": 0.9, "mean_absolute_error": 0.7, "profit": 12, "kept": 1}\n',
    "params.yaml": "alpha: 0.7\nseed: 1\nnew: y\n",
    "requirements.txt": "scipy==1.12.0\npolars==1.0.0\n",
}
CARD = "---\nlicense: mit\n---\n\n## Owner\n\n{owner}\n"
CERTIFICATE = ".mlem/lineage/m.json"
HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>$\\frac{a}$ | @all ::error::x"


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def change(source: Repo, files: dict[str, Any], tag: str) -> None:
    source.write(files)
    source.git("add", "--all")
    source.commit()
    source.git("tag", "--force", tag)


def make_two(lab: Lab) -> tuple[Repo, Repo]:
    """A source with two revisions, and a registry with a version of each, the first in prod."""
    source = make_source(lab)
    change(source, V1, "v1")
    reg = make_registry(lab)
    reg.write({"cards/m.md": CARD.format(owner="Ann")})
    add(reg, source.url, stage="prod")
    change(source, {**V2, **saved(2.0)}, "v2")
    reg.write({"cards/m.md": CARD.format(owner="Ann and Ben")})
    add(reg, source.url, rev="v2", version="v1.1.0")
    return source, reg


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_two(lab)[1]


def compared(repo: Repo, *words: str, command: str = "compare", code: int = 0) -> Ran:
    ran = registry_here(repo.path, command, "m", *words)
    assert ran.code == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def report(
    repo: Repo, revision: str, against: str | None = None, *, data: str = "1" * 64, r2: float = 0.9
) -> Evaluation:
    """What an evaluation of the link at a revision would have said."""

    def judged(rev: str) -> dict[str, Any]:
        repo.git("checkout", "--quiet", rev, "--", ".mlem/links/m.mlem")
        link = link_of(repo)
        assert link.metafile is not None
        return {
            "name": "m", "version": None, "registry_commit": repo.rev(rev), "source": link.project,
            "source_commit": link.commit, "metafile": link.metafile.sha256, "size": 7,
            "artifacts": {name: pin.sha256 for name, pin in link.artifacts.items()},
        }  # fmt: skip

    interval = {"difference": 0.1, "low": 0.05, "high": 0.2, "undefined": 0}
    comparison = {
        "metrics": {"r2": 0.8}, "confidence": 0.95, "resamples": 10, "differences": {"r2": interval},
        "test": "wilcoxon", "p_value": 0.01, "better": 6, "worse": 4, "misses": [],
    }  # fmt: skip
    part = {
        "column": "sex",
        "value": "f",
        "rows": 5,
        "candidate": {"r2": 0.7},
        "current": {"r2": 0.6} if against else None,
    }
    said = {
        "format": 1, "suite": "quality", "task": "regression", "candidate": judged(revision), "against": against,
        "current": judged(against) if against else None,
        "inputs": {"suite": "evaluations/quality.yaml", "suite_sha256": "2" * 64, "data": "d.csv", "data_sha256": data,
                   "functions": {}, "packages": {}},
        "results": {"rows": 10, "metrics": {"r2": r2}, "slices": [part], "worst": [], "fairness": [],
                    "comparison": comparison if against else None},
        "timings": {"seconds": 1.0, "peak_memory_mb": 1.0, "latency": []},
    }  # fmt: skip
    repo.git("checkout", "--quiet", "HEAD", "--", ".")
    return Evaluation.model_validate_json(json.dumps(said))


def keep(repo: Repo, *reports: Evaluation) -> None:
    for number, each in enumerate(reports):
        repo.write({f"evaluations/reports/m/{number}/quality.json": format_report(each)})
    repo.git("add", "--all")
    repo.commit()


def test_two_versions_differ_in_what_their_certificates_and_cards_say(reg: Repo) -> None:
    found = compared(reg, "#prod", "v1.1.0", "--json").json
    measured = {each["name"]: (each["difference"], each["direction"], each["verdict"]) for each in found["metrics"]}
    assert measured == {
        "r2": (pytest.approx(0.1), "greater", "better"),
        "mean_absolute_error": (pytest.approx(0.2), "less", "worse"),
        "profit": (2.0, "unknown", "unknown"),
    }
    changes = {
        section: {each["name"]: each["kind"] for each in found["changes"][section]} for section in found["changes"]
    }
    assert changes["parameters"] == {
        "params.yaml:alpha": "changed", "params.yaml:new": "added", "params.yaml:old": "removed"
    }  # fmt: skip
    environment = {"package:polars": "added", "package:scipy": "changed", "requirements.txt": "changed"}
    assert environment.items() <= changes["environment"].items()
    assert changes["card"] == {"# Owner": "changed"}
    assert changes["bytes"] == {"artifact data": "changed", "metafile": "changed"}
    assert changes["link"] == {"commit": "changed", "rev": "changed"}
    assert changes["identity"] == {"time": "changed"}
    assert (found["from"]["place"], found["from"]["version"], found["from"]["stages"]) == ("#prod", "v1.0.0", ["prod"])
    assert found["missing"] == []
    text = compared(reg, "prod", "HEAD").stdout
    assert "m: #prod (v1.0.0) → HEAD (v1.1.0)" in text
    assert "+2 (direction unknown)" in text
    same = compared(reg, "v1.0.0", "#prod").stdout
    assert same.splitlines()[-1] == "no differences"


def test_the_short_form_compares_what_was_assigned_last_with_the_latest_or_with_the_work_tree(reg: Repo) -> None:
    assert compared(reg, command="diff").stdout.startswith("m: #prod (v1.0.0) → v1.1.0\n")
    reg.git("checkout", "--quiet", "m@v1.0.0", "--", ".")
    reg.write({"cards/m.md": CARD.format(owner="Cleo")})
    found = compared(reg, "v1.0.0", ".", "--json", command="diff").json
    assert found["to"]["commit"] is None
    assert found["changes"].keys() == {"card"}
    reg.tag("m#prod#2", "m@v1.1.0^{commit}")
    assert compared(reg, command="diff").stdout.startswith("m: v1.0.0 → v1.1.0\n")


def test_an_interface_that_asks_for_more_than_the_version_gives_is_said(lab: Lab) -> None:
    source, reg = make_two(lab)
    metafile = saved(2.0)["lr.mlem"].replace(b"- name: X", b"- name: rows", 1)
    assert metafile != saved(2.0)["lr.mlem"]
    change(source, {"lr.mlem": metafile}, "v3")
    add(reg, source.url, rev="v3", version="v1.1.1")
    found = compared(reg, "v1.1.0", "v1.1.1", "--json").json["interface"]
    assert found["breaking"]
    assert (found["bump"], found["least_version"], found["allowed"]) == ("major", "v2.0.0", False)
    text = compared(reg, "v1.1.0", "v1.1.1").stdout
    assert "the interface asks for at least a major bump, v2.0.0 or later; the version is too small" in text


def test_what_is_not_known_is_named_and_the_rest_is_compared(reg: Repo) -> None:
    reg.git("rm", "--quiet", CERTIFICATE)
    commit_version(reg, "v1.2.0")
    found = compared(reg, "v1.0.0", "v1.2.0", "--json").json
    assert found["metrics"] == []
    assert not {"parameters", "identity", "data"} & found["changes"].keys()
    assert found["missing"] == [
        "v1.2.0: no birth certificate: parameters, metrics, data, training and identity are not compared"
    ]
    reg.write({CERTIFICATE: "{}", "cards/m.md": "no front matter"})
    commit_version(reg, "v1.3.0")
    found = compared(reg, "v1.0.0", "v1.3.0", "--json").json
    assert [each.partition(":")[2].partition(":")[0] for each in found["missing"]] == [
        " the card cannot be read", " format is 'None', expected 1"
    ]  # fmt: skip
    edit_link(reg, "commit: ", "comment: ", version="v2.0.0")
    (first, *_) = [each for each in compared(reg, "v1.0.0", "v2.0.0", "--json").json["missing"] if "metafile" in each]
    assert "the interface is not compared: the link is not pinned" in first


def test_a_registry_behind_a_url_is_compared_like_a_folder(lab: Lab, http: Callable[..., Any]) -> None:
    _, reg = make_two(lab)
    keep(reg, report(reg, "m@v1.1.0", "m@v1.0.0"))
    url = f"{http(served(lab, reg)).url}/reg.git"
    there, here = (registry.compare("m", "prod", "v1.1.0", each) for each in (url, reg.path))
    assert as_json(there)["metrics"] == as_json(here)["metrics"] != []
    assert as_json(there)["evaluations"] == as_json(here)["evaluations"] != []
    assert as_json(there)["changes"] == as_json(here)["changes"]
    assert "names a folder of this machine" in there.missing[0]
    assert series("m", url) == series("m", reg.path)
    (found,) = registry.candidates(url, base="m@v1.0.0")
    assert found.change is not None
    assert len(found.change.metrics) == 3


def test_a_source_that_is_gone_leaves_all_but_the_interface(lab: Lab) -> None:
    source, reg = make_two(lab)
    source.path.rename(lab.root / "gone")
    with offline(True):
        found = compared(reg, "v1.0.0", "v1.1.0", "--json").json
    assert len(found["metrics"]) == 3
    assert found["changes"]["environment"]
    assert [each.partition(": ")[2].startswith("the metafile cannot be had") for each in found["missing"]] == [
        True,
        True,
    ]


def test_a_paired_report_gives_intervals_and_the_test_in_either_direction(reg: Repo) -> None:
    keep(reg, report(reg, "m@v1.1.0", "m@v1.0.0"))
    (found,) = compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"]
    (score,) = found["metrics"]
    assert (found["kind"], score["before"], score["after"], score["verdict"]) == ("paired", 0.8, 0.9, "better")
    assert (score["low"], score["high"]) == (0.05, 0.2)
    assert (found["test"]["better"], found["test"]["worse"]) == (6, 4)
    assert found["slices"][0]["before"] == {"r2": 0.6}
    (turned,) = compared(reg, "v1.1.0", "v1.0.0", "--json").json["evaluations"]
    (score,) = turned["metrics"]
    assert (score["before"], score["after"], score["low"], score["high"]) == (0.9, 0.8, -0.2, -0.05)
    assert (turned["test"]["better"], turned["test"]["worse"]) == (4, 6)
    text = compared(reg, "v1.0.0", "v1.1.0").stdout
    assert "0.05 to 0.2" in text
    assert "wilcoxon: p = 0.01; 6 rows better, 4 worse; 10 resamples" in text


def test_a_slice_has_the_interval_of_its_difference_where_the_report_holds_one(reg: Repo) -> None:
    given = report(reg, "m@v1.1.0", "m@v1.0.0")
    gained = Interval(difference=0.1, low=-0.025, high=0.25, undefined=0)
    (part,) = given.results.slices
    sliced = (part.model_copy(update={"differences": {"r2": gained}}), part.model_copy(update={"value": "x"}))
    told = given.results.comparison
    assert told is not None
    told = told.model_copy(update={"slice_resamples": 100})
    results = given.results.model_copy(update={"slices": sliced, "comparison": told})
    new = given.model_copy(update={"results": results})
    assert "| sex&#61;f | 5 | 0.7 &#40;was 0.6; -0.025 to 0.25&#41; |" in report_as_markdown(new)
    keep(reg, new)
    (found,) = compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"]
    assert [each["intervals"] for each in found["slices"]] == [{"r2": {"low": -0.025, "high": 0.25}}, {}]
    assert found["slice_resamples"] == 100
    (turned,) = compared(reg, "v1.1.0", "v1.0.0", "--json").json["evaluations"]
    assert turned["slices"][0]["intervals"] == {"r2": {"low": -0.25, "high": 0.025}}
    text = compared(reg, "v1.0.0", "v1.1.0").stdout
    assert "0.6 → 0.7 (-0.025 to 0.25)" in text
    assert "in brackets: 95% interval of the slice's difference, 100 resamples" in text
    shown = compared(reg, "v1.0.0", "v1.1.0", "--format", "markdown").stdout
    assert "| 0.6 → 0.7 &#40;-0.025 to 0.25&#41; |" in shown
    page = compared(reg, "v1.0.0", "v1.1.0", "--format", "html").stdout
    assert "0.6 → 0.7 (-0.025 to 0.25)" in Seen(page).text
    assert page.count("#bcd6f2") == 1, "a band in the plot, for the one slice that has an interval"


def test_reports_on_other_data_or_of_other_bytes_are_never_judged(reg: Repo) -> None:
    keep(reg, report(reg, "m@v1.0.0", r2=0.8), report(reg, "m@v1.1.0"))
    (found,) = compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"]
    assert (found["kind"], found["metrics"][0]["verdict"], found["metrics"][0]["low"]) == (
        "side-by-side",
        "better",
        None,
    )
    keep(reg, report(reg, "m@v1.0.0", r2=0.8), report(reg, "m@v1.1.0", data="3" * 64))
    (found,) = compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"]
    assert (found["kind"], found["metrics"][0]["verdict"]) == ("not-comparable", "unknown")
    forged = report(reg, "m@v1.0.0", r2=0.99)
    reg.git("rm", "--quiet", "evaluations/reports/m/1/quality.json")
    judged = forged.candidate.model_copy(update={"metafile": hashlib.sha256(b"").hexdigest()})
    keep(reg, forged.model_copy(update={"candidate": judged}))
    assert compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"] == []


def test_a_change_is_compared_with_its_base_and_with_the_first_protected_stage(lab: Lab) -> None:
    source, reg = make_two(lab)
    reg.tag("m#staging#2", "m@v1.1.0^{commit}")
    stages = "{staging: {}, prod: {rollback: [oncall]}}"
    roles = "{oncall: [bo@example.org]}"
    reg.commit({"policy.yaml": f"format: 1\nversion: 1\nroles: {roles}\nstages: {stages}\n"})
    base = reg.rev("HEAD")
    change(source, saved(3.0), "v3")
    registry.link("lr", "m", source_project=source.url, rev="v3", project=reg.path)
    registry.link("lr", "new", source_project=source.url, rev="v3", project=reg.path)
    reg.git("add", "--all")
    reg.commit()
    keep(reg, report(reg, "HEAD", "m@v1.0.0"))
    found = {each.name: each for each in registry.candidates(reg.path, base=base)}
    assert found.keys() == {"m", "new"}
    assert (found["new"].change, found["new"].against, found["new"].fault) == (None, None, None)
    changed = found["m"]
    assert changed.change is not None
    assert changed.against is not None
    assert (changed.change.before.label, changed.against.before.label, changed.stage) == (base[:7], "#prod", "prod")
    assert [each.suite for each in changed.reports] == ["quality"]
    text = registry_here(reg.path, "check", "--base", base, "--format", "markdown").stdout
    assert f"### ⚖️ m: {base[:7]} → HEAD" in text
    assert "prod &#40;v1.0.0&#41; → HEAD" in text
    assert "### 📊 m@&#8203;" in text
    assert "### ⚖️ new is new" in text
    both = compared(reg, "--base", base, "--json").json
    assert both["against"]["from"]["version"] == "v1.0.0"
    compared(reg, "--base", "HEAD", code=1)
    reg.git("rm", "--quiet", ".mlem/links/new.mlem")
    reg.commit()
    (gone,) = registry.candidates(reg.path, base="HEAD~1")
    assert gone.fault == "the link is removed"


def test_a_change_of_many_links_and_of_odd_names_is_told_without_an_error(lab: Lab) -> None:
    reg = make_registry(lab)
    reg.commit(
        {f".mlem/links/{name}.mlem": "object_type: link\n" for name in ("..x\n::error::y", "-r", *map(str, range(60)))}
    )
    found = registry.candidates(reg.path, base="HEAD~1")
    assert {each.change for each in found} == {None}
    faults = {each.name: str(each.fault) for each in found}
    assert faults["-r"] == "this is no artifact's name"
    assert sum("the change alters 62 links" in each for each in faults.values()) == 12
    text = candidates_as_markdown(found)
    assert "\n::error" not in text
    assert "cannot be read" in text


def hostile(reg: Repo) -> None:
    """A version whose certificate, card and reports are attacks."""
    said = json.loads((reg.path / CERTIFICATE).read_bytes())
    facts = said["facts"]
    place = {"path": "x", "key": HOSTILE, "blob": ""}
    facts["metrics"] = {f"{HOSTILE}{number}": {"value": number, "from": place} for number in range(30)}
    facts["parameters"] = {f"{HOSTILE}{number:04}": {"value": HOSTILE, "from": place} for number in range(3000)}
    forged = report(reg, "HEAD", "m@v1.0.0")
    results = forged.results.model_copy(
        update={
            "metrics": {HOSTILE: 0.5, "r2": 0.9},
            "slices": tuple(
                each.model_copy(update={"column": HOSTILE, "value": "\u202e\x1b[2J", "candidate": {HOSTILE: 1.0}})
                for each in forged.results.slices * 100
            ),
        }
    )
    reg.write({CERTIFICATE: json.dumps(said), "cards/m.md": f"---\nlicense: '{HOSTILE}'\n---\n\n## {HOSTILE}\n\nx\n"})
    keep(reg, forged.model_copy(update={"results": results, "suite": HOSTILE}))
    reg.tag("m@v1.2.0")


def test_nothing_of_a_hostile_registry_is_obeyed_and_the_comment_stays_short(reg: Repo) -> None:
    hostile(reg)
    page = compared(reg, "v1.0.0", "v1.2.0", "--format", "html").stdout
    seen = Seen(page)
    assert not seen.tags & {"script", "img", "iframe", "object", "link", "foreignobject", "a", "image"}
    assert not {name for name, _ in seen.attributes if name.startswith("on")}
    links = {value for name, value in seen.attributes if name in {"href", "xlink:href", "src"}}
    assert all(each.startswith("#") for each in links)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'") in seen.attributes
    assert "<script>alert(1)</script>" in seen.text
    assert "svg" in seen.tags
    text = compared(reg, "v1.0.0", "v1.2.0", "--format", "markdown").stdout
    assert len(text) <= LONGEST
    assert "<script" not in text
    assert "@all" not in text
    told = registry_here(reg.path, "check", "--base", "m@v1.0.0", "--format", "markdown").stdout
    assert len(told) < 65_536
    assert "\x1b" not in compared(reg, "v1.0.0", "v1.2.0").stdout


def test_a_comment_with_more_than_github_takes_is_cut_between_lines(lab: Lab) -> None:
    side = Side("v1")
    found = [Candidate(f"m{number}", "x" * 500, compare("m", side, side)) for number in range(500)]
    text = candidates_as_markdown(found)
    assert LONGEST - 1000 < len(text) <= LONGEST
    assert text.endswith("\n\n… cut: `registry compare` tells all of it.\n")
    assert candidates_as_markdown(found, 100).count("\n") < 5
    assert candidates_as_markdown([]) == ""


def test_a_report_that_lacks_numbers_of_its_own_is_shown_without_them(reg: Repo) -> None:
    given = report(reg, "m@v1.1.0", "m@v1.0.0")
    results = given.results.model_copy(update={"metrics": {"f1": 0.5}})
    odd = given.model_copy(update={"results": results})
    assert "| f1 | 0.5 | - | - | - |" in report_as_markdown(odd)
    keep(reg, odd)
    assert compared(reg, "v1.0.0", "v1.1.0", "--json").json["evaluations"][0]["metrics"][0]["verdict"] == "unknown"


def test_the_page_shows_every_version_and_slice_and_is_the_same_each_time(reg: Repo) -> None:
    keep(reg, report(reg, "m@v1.1.0", "m@v1.0.0"))
    ran = compared(reg, "v1.0.0", "v1.1.0", "--format", "html", "-o", "page.html")
    assert ran.stdout == "wrote page.html\n"
    assert "warning:" not in ran.stderr
    page = (reg.path / "page.html").read_text()
    seen = Seen(page)
    assert page.count("<svg") == 3
    for text in ("r2", "0.05 to 0.2", "sex=f", "v1.0.0 0.8, v1.1.0 0.9", "+2 (direction unknown)"):
        assert text in seen.text
    compared(reg, "v1.0.0", "v1.1.0", "--format", "html", "-o", "again.html")
    assert (reg.path / "again.html").read_text() == page
    found = {each.name: each for each in series("m", reg.path)}
    assert found["r2"].values == (("v1.0.0", 0.8), ("v1.1.0", 0.9))
    assert found["profit"].direction == "unknown"


def test_without_matplotlib_the_page_has_its_tables_and_says_what_to_install(
    reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = compared(reg, "v1.0.0", "v1.1.0", "--format", "html")
    assert 'pip install "git-model-registry[plots]"' in ran.stderr
    seen = Seen(ran.stdout)
    assert "pip install" in seen.text
    assert "svg" not in seen.tags
    assert "mean_absolute_error" in seen.text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("v1.0.0",), 2),
        ((), 2),
        (("v1.0.0", "v1.1.0", "--base", "HEAD"), 2),
        (("v1.0.0", "v9.9.9"), 1),
        (("#none", "."), 1),
    ],
)
def test_a_place_that_is_not_there_is_a_message(reg: Repo, words: tuple[str, ...], code: int) -> None:
    compared(reg, *words, code=code)
