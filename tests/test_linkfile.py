"""The link file: what is read, what is written, and that nothing else comes in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.linkfile import Link, Pin, format_link, link_of_fields, parse_link
from registry.strictyaml import LIMIT

OID, SHA = "3f" * 20, "ab" * 32
PINNED = f"""link_type: model
object_type: link
params:
  artifact.data.blob: {OID}
  artifact.data.sha256: {SHA}
  commit: {OID}
  metafile.sha256: {SHA}
path: lr.mlem
project: https://example.org/source
rev: v1
"""


def refused(text: str | bytes) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        parse_link(text if isinstance(text, bytes) else text.encode(), "reg:m.mlem")
    assert caught.value.what
    assert caught.value.where.startswith("reg:m.mlem")
    assert caught.value.fix
    return caught.value


def test_reads_pins_as_flat_strings() -> None:
    link = parse_link(PINNED.encode(), "m")
    assert (link.path, link.project, link.rev, link.commit) == ("lr.mlem", "https://example.org/source", "v1", OID)
    assert link.metafile == Pin(sha256=SHA)
    assert dict(link.artifacts) == {"data": Pin(sha256=SHA, blob=OID)}


def test_writes_sorted_keys_without_defaults() -> None:
    assert format_link(parse_link(PINNED.encode(), "m")) == PINNED
    assert format_link(Link(path="lr.mlem")) == "link_type: model\nobject_type: link\npath: lr.mlem\n"


@pytest.mark.parametrize(
    ("text", "project", "path"),
    [
        ("object_type: link\npath: a.mlem\nrepo: ../source\nrev: main\nlink_type: model\n", "../source", "a.mlem"),
        ("object_type: link\nmlem_link: .mlem/model/a.mlem.yaml\nlink_type: model\n", None, ".mlem/model/a.mlem.yaml"),
        (
            "object_type: link\nmlem_link: a.mlem\nrepo: https://example.org/x\nrev: v1\n",
            "https://example.org/x",
            "a.mlem",
        ),
        ("description: old\nlabels: [a, b]\nobject_type: link\npath: a.mlem\n", None, "a.mlem"),
    ],
)
def test_reads_spellings_before_mlem_0_3(text: str, project: str | None, path: str) -> None:
    link = parse_link(text.encode(), "m")
    assert (link.project, link.path) == (project, path)


@pytest.mark.parametrize("null", ["null", "~", ""])
def test_null_project_and_revision_are_none(null: str) -> None:
    link = parse_link(f"object_type: link\npath: a\nproject: {null}\nrev: {null}\n".encode(), "m")
    assert (link.project, link.rev) == (None, None)


def test_a_revision_that_looks_like_null_survives_in_quotes() -> None:
    assert parse_link(format_link(Link(path="a", rev="null")).encode(), "m").rev == "null"


@pytest.mark.parametrize("rev", ["1.0", "0x10", "1e5", "yes", "2024-01-01", "0123456"])
def test_scalars_stay_text(rev: str) -> None:
    assert parse_link(f"object_type: link\npath: a\nrev: {rev}\n".encode(), "m").rev == rev


@pytest.mark.parametrize("pin", ["AB" * 32, "ab" * 31, "ab" * 32 + "a", "../../etc/passwd", "", "zz" * 32, SHA + "\\n"])
def test_a_pin_that_is_no_digest_is_no_pin(pin: str) -> None:
    link = parse_link(f'object_type: link\npath: a\nparams: {{artifact.data.sha256: "{pin}"}}\n'.encode(), "m")
    assert not link.artifacts


@pytest.mark.parametrize("commit", ["main", "3f" * 19, "3F" * 20, "--upload-pack=x", "3f" * 20 + "^"])
def test_a_commit_that_is_no_object_id_is_no_pin(commit: str) -> None:
    assert parse_link(f"object_type: link\npath: a\nparams: {{commit: {commit}}}\n".encode(), "m").commit is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a mapping"),
        ("- object_type: link\n", "expected a mapping"),
        ("path: a\n", "object_type is missing"),
        ("object_type: model\npath: a\n", "object_type is 'model'"),
        ("object_type: os.system\npath: a\n", "object_type is 'os.system'"),
        ("object_type: link\n", "path"),
        ("object_type: link\npath: ''\n", "path"),
        ("object_type: link\npath: a\nwhatever: 1\n", "whatever"),
        ("object_type: link\npath: a\nproject: x\nrepo: y\n", "old and a new"),
        ("object_type: link\npath: a\nmlem_link: b\n", "old and a new"),
        ("object_type: link\npath: a\npath: b\n", "duplicate key"),
        ("object_type: link\npath: &x a\nrev: *x\n", "anchor"),
        ("object_type: link\npath: *x\n", "alias"),
        ("object_type: link\n<<: {path: a}\n", "merge key"),
        ("object_type: link\npath: !!python/object/apply:os.system [id]\n", "tag"),
        ("object_type: link\npath: [a]\n", "path"),
        ("object_type: link\npath: a\nparams: {a: {b: c}}\n", "params"),
        ("object_type: link\npath: a\nparams: [a]\n", "params"),
        ('object_type: link\npath: a\nrev: "\\e[2Jv1"\n', "control character"),
        ('object_type: link\npath: "a\\u2028b"\n', "control character"),
        ("object_type: link\npath: a\n---\nobject_type: link\npath: b\n", "more than one document"),
        ("object_type: link\npath: " + "a" * 3000, "path"),
        ("object_type: link\npath: a\nparams: " + "{a: " * 100 + "}" * 100, "nested deeper"),
        (b"object_type: link\npath: \xff\n", "not UTF-8"),
        (b"object_type: link\npath: a\x00b\n", "not valid YAML"),
        (b"#" * (LIMIT + 1), "at most"),
    ],
)
def test_anything_else_is_one_error(text: str | bytes, said: str) -> None:
    assert said in refused(text).what


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("", "path: Field required"),
        ("path: ''", "path: String should have at least 1 character"),
        ("path: [a]", "path: Input should be a valid string"),
        (f"path: {'a' * 2049}", "path: String should have at most 2048 characters"),
        ("path: a\nproject: {}", "project: Input should be a valid string"),
        ("path: a\nlink_type: []", "link_type: Input should be a valid string"),
        ('path: a\nlink_type: "\\0"', "link_type: Value error, holds a control character"),
        ("path: a\nparams: a", "params: Input should be a valid dictionary"),
        ("path: a\nparams: {x: y, b.c: []}", "params.b.c: Input should be a valid string"),
        ("path: a\nnope: {}", "nope: Extra inputs are not permitted"),
        ("nope: {}", "path: Field required"),
    ],
)
def test_what_is_wrong_is_said_of_the_first_wrong_key(rest: str, said: str) -> None:
    assert refused(f"object_type: link\n{rest}\n").what == f"not a link: {said}"


def test_no_link_can_be_made_that_could_not_be_read() -> None:
    with pytest.raises(RegistryError, match=r"path: Value error, holds a control character"):
        Link(path="a\n")
    with pytest.raises(RegistryError, match=r"project: String should have at most"):
        replace(Link(path="a"), project="x" * 2049)
    with pytest.raises(RegistryError, match="nope: Extra inputs"):
        link_of_fields({"path": "a", "nope": 1})


def test_the_message_names_the_line() -> None:
    assert refused("object_type: link\npath: a\npath: b\n").where == "reg:m.mlem, line 3"
    assert refused("object_type: link\npath: a\nnope: b\n").where == "reg:m.mlem, line 3"


oids, shas = st.from_regex(r"[0-9a-f]{40}", fullmatch=True), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
printable = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=60)
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=60)


@given(
    st.builds(
        Link,
        path=printable,
        project=st.none() | printable,
        rev=st.none() | printable,
        params=st.dictionaries(printable, values),
    )
)
def test_what_is_written_is_read_again(link: Link) -> None:
    assert parse_link(format_link(link).encode(), "m") == link


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?", fullmatch=True), st.tuples(shas, oids), max_size=5))
def test_pins_are_read_again_by_artifact(pins: dict[str, tuple[str, str]]) -> None:
    params = {f"artifact.{n}.sha256": sha for n, (sha, _) in pins.items()}
    params |= {f"artifact.{n}.blob": oid for n, (_, oid) in pins.items()}
    read = parse_link(format_link(Link(path="a", params=params)).encode(), "m").artifacts
    assert {name: (pin.sha256, pin.blob) for name, pin in read.items()} == pins


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda tail: PINNED.encode() + tail))
def test_random_bytes_are_a_link_or_one_error(data: bytes) -> None:
    try:
        parse_link(data, "m")
    except RegistryError as error:
        assert error.where.startswith("m")  # noqa: PT017 - it may be a link as well


lines = st.sampled_from(
    ["object_type: link", "object_type: model", "path: a", "path: [", "rev: v1", "rev:", "project: ~", "params:", "  commit: x",
     "  a: {b: 1}", "- x", "? [a]", "repo: &a x", "x: *a", "<<: {}", "%YAML 1.1", "---", "...", "\tz: 1", "path: !!binary x", "'", "|"]
)  # fmt: skip


@given(st.lists(lines, max_size=8))
def test_random_yaml_is_a_link_or_one_error(chosen: list[str]) -> None:
    try:
        link = parse_link("\n".join(chosen).encode(), "m")
    except RegistryError as error:
        assert error.where.startswith("m")  # noqa: PT017 - either outcome is right
    else:
        assert parse_link(format_link(link).encode(), "m") == link
