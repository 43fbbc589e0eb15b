"""`registry predict`: rows of CSV or JSON in, one result a line out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from inprocess import registry_here
from lab import Lab, Ran, Repo
from linked import add, commit_version, make_registry, make_source
from sklearn.linear_model import LinearRegression, LogisticRegression

import registry
from registry.api import predicting
from registry.datatypes import Table
from registry.formats.fitting import fit
from registry.interface import Argument, Method

CSV = "x,y\n1,0\n3,5\n"


@pytest.fixture
def reg(lab: Lab) -> Repo:
    made = make_registry(lab)
    add(made, make_source(lab).url, stage="prod")
    return made


def predict(reg: Repo, data: str | bytes, *options: str, file: bool = True) -> Ran:
    path = reg.path.parent / "rows"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    rest = ("--data", str(path)) if file else ("--data", "-")
    return registry_here(reg.path, "predict", "m", *rest, *options, input=b"" if file else path.read_bytes())


def numbers(ran: Ran) -> list[float]:
    assert ran.code == 0, ran.stderr
    return [round(float(line), 6) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize(
    "rows",
    [
        CSV,
        "y,x\n0,1\n5,3\n",
        "name,y,x\na,0,1\nb,5,3\n",
        '[{"x": 1, "y": 0}, {"y": 5, "x": 3}]',
        '  {"x": [1, 3], "y": [0, 5]}',
        "x,y\r\n1,0\r\n3,5\r\n",
    ],
)
@pytest.mark.parametrize("file", [True, False])
def test_rows_are_read_by_column_name_from_csv_and_json(reg: Repo, rows: str, file: bool) -> None:
    assert numbers(predict(reg, rows, "--stage", "prod", file=file)) == [1.0, 3.0]


def test_the_command_of_a_shell_predicts(reg: Repo) -> None:
    ran = reg.registry("predict", "m", "--stage", "prod", "--data", "-", input=CSV.encode())
    assert numbers(ran) == [1.0, 3.0]


def test_json_asked_for_is_json(reg: Repo) -> None:
    ran = predict(reg, CSV, "--json")
    assert [round(value, 6) for value in ran.json] == [1.0, 3.0]


def error(ran: Ran) -> str:
    assert ran.code == 1, ran.stdout + ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
    assert "  fix:   " in ran.stderr
    return ran.stderr


def test_a_missing_column_is_named(reg: Repo) -> None:
    said = error(predict(reg, "x,z\n1,2\n"))
    assert "columns are missing: y" in said
    assert "x, y" in said


def test_a_method_that_the_model_has_not_is_named_with_those_it_has(reg: Repo) -> None:
    said = error(predict(reg, CSV, "--method", "fit"))
    assert "no method 'fit'" in said
    assert "predict" in said
    error(predict(reg, CSV, "--method", "__class__"))


@pytest.mark.parametrize(
    "rows",
    [
        "",
        "\n\n",
        "[",
        "{",
        '{"x": 1}',
        "[1, 2",
        "null",
        '[{"x": {"a": 1}, "y": 2}]',
        "x,y\n1,2,3,4\n5\n",
        "x,y\na,b\n",
        "x,y\n",
        "x,y\n1,\n",
        "[" * 100_000,
        b"\xff\xfe",
        b"x,y\n\x00,1\n",
    ],
    ids=range(15),
)
@pytest.mark.parametrize("file", [True, False])
def test_rows_that_the_model_cannot_take_are_one_error(reg: Repo, rows: str | bytes, file: bool) -> None:
    error(predict(reg, rows, file=file))


def test_a_file_that_is_not_there_is_one_error(reg: Repo) -> None:
    error(reg.registry("predict", "m", "--data", "nowhere.csv", check=False))
    assert reg.registry("predict", "m", "--data", ".", check=False).code == 2
    assert reg.registry("predict", "m", check=False).code == 2


@pytest.fixture
def arrays(lab: Lab) -> Repo:
    """A classifier of arrays, which has no column names."""
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
    model = LogisticRegression().fit(rows, [0, 0, 1, 1])
    source = lab.repo("arrays")
    registry.save(model, source.path / "lr", sample_data=rows)
    source.commit({"README.md": ""})
    source.git("add", "--all")
    source.commit()
    source.tag("v1")
    made = make_registry(lab)
    add(made, source.url)
    return made


def test_a_model_of_arrays_takes_columns_in_their_order(arrays: Repo) -> None:
    assert numbers(predict(arrays, "a,b\n0,1\n4,0\n")) == [0, 1]
    assert numbers(predict(arrays, "[[0, 1], [4, 0]]")) == [0, 1]
    shares = json.loads(predict(arrays, "[[0, 1]]", "--method", "predict_proba", "--json").stdout)
    assert len(shares[0]) == 2
    assert abs(sum(shares[0]) - 1) < 1e-9
    error(predict(arrays, "a,b,c\n0,1,2\n"))


def test_text_is_read_as_the_columns_that_the_interface_names() -> None:
    """Numbers as names, a code that only looks like a number, and a precision that text does not have."""
    kind = Table("dataframe", (0, "code", "share"), ("int64", "str", "float32"))
    method = Method("predict", (Argument("X", kind),))
    frame = predicting._rows("code,share,0,more\n007,0.1,3,x\n", method, "")
    assert frame.to_dict("list") == {0: [3], "code": ["007"], "share": [np.float32(0.1)]}
    assert fit(kind, frame) is frame or list(fit(kind, frame)["code"]) == ["007"]


def test_a_model_without_sample_data_predicts(lab: Lab) -> None:
    source = lab.repo("plain")
    registry.save(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), source.path / "lr")
    source.git("add", "--all")
    source.commit()
    source.tag("v1")
    made = make_registry(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=made.path)
    commit_version(made, "v1.0.0")
    assert numbers(predict(made, "a\n3\n")) == [6.0]


def test_the_python_call_gives_plain_values(reg: Repo) -> None:
    from registry.api.predicting import predict as ask

    found = ask("m", CSV, project=Path(reg.path))
    assert [round(value, 6) for value in found] == [1.0, 3.0]
