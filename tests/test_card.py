"""Model cards: begun from the link, filled by people, judged with line numbers, rendered without obeying them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, make_registry, make_source

from registry.api.cards import init_card, read_card
from registry.api.checking import check
from registry.card import LONGEST, PARTS, PLACEHOLDER, REQUIRED, lacking, parse_card
from registry.cardfields import faults
from registry.checks.licenses import is_license
from registry.errors import NotFound, Refused, RegistryError
from registry.findings import ERROR, WARNING, Finding
from registry.policy import Policy, parse_policy
from registry.render.card import as_html, as_text

PATH = "cards/m.md"
POLICY = "format: 1\nversion: 1\n"
FRONT = "---\nlicense: apache-2.0\n---\n"
FULL = FRONT + "".join(f"## {PARTS[part][0]}\n\nSaid.\n\n" for part in REQUIRED if PARTS[part])


@pytest.fixture
def reg(lab: Lab) -> Repo:
    made = make_registry(lab)
    add(made, make_source(lab).url, stage="prod")
    made.write({"policy.yaml": f"{POLICY}checks: {{model-card: error}}\n"})
    return made


def told(repo: Repo) -> list[Finding]:
    return [each for each in check(repo.path).findings if each.id == "model-card"]


def lines(repo: Repo, text: str | bytes) -> list[tuple[int | None, str]]:
    repo.write({PATH: text})
    return [(each.line, each.message) for each in told(repo)]


# begun


def test_a_card_is_begun_with_what_the_link_and_the_interface_say(reg: Repo) -> None:
    path = init_card("m", reg.path)
    text = path.read_text()
    assert path == reg.path / PATH
    assert "library_name: sklearn\n" in text
    assert "\n    predict(X: dataframe of 2 columns) -> ndarray of float64 [*]\n      X['x']: float64\n" in text
    assert f"\n    commit: {read_link_commit(reg)}\n" in text
    assert list(faults(parse_card(text.encode(), PATH).fields)) == []


def read_link_commit(repo: Repo) -> str:
    found = re.search(r"commit: ([0-9a-f]{40})", (repo.path / ".mlem/links/m.mlem").read_text())
    assert found
    return found[1]


def test_a_begun_card_lacks_everything_that_only_people_know_each_with_its_line(reg: Repo) -> None:
    text = init_card("m", reg.path).read_text().splitlines()
    found = told(reg)
    assert [each.message for each in found] == [
        "the card names no license",
        *(f"the section {PARTS[part][0]!r} says nothing yet" for part in REQUIRED if PARTS[part]),
    ]
    assert all((each.path, each.artifact, each.severity) == (PATH, "m", ERROR) for each in found)
    said = [text[each.line - 1] for each in found if each.line]
    assert said == ["license: unknown", *(f"## {PARTS[part][0]}" for part in REQUIRED if PARTS[part])]


def test_hugging_face_s_own_library_reads_what_is_begun(reg: Repo) -> None:
    from huggingface_hub import ModelCard

    theirs = ModelCard.load(init_card("m", reg.path))
    fields = theirs.data.to_dict()
    assert (fields["license"], fields["library_name"]) == ("unknown", "sklearn")
    assert theirs.text.lstrip().startswith("# m\n")


def test_a_link_that_is_not_committed_yet_is_enough(lab: Lab) -> None:
    import registry

    made = make_registry(lab)
    registry.link("lr", "team/m", source_project=make_source(lab).url, rev="v1", project=made.path)
    assert init_card("team/m", made.path) == made.path / "cards/team/m.md"


def test_a_card_that_is_there_is_left_alone(reg: Repo) -> None:
    reg.write({PATH: FULL})
    with pytest.raises(RegistryError, match="there already"):
        init_card("m", reg.path)
    assert (reg.path / PATH).read_text() == FULL


def test_nothing_is_written_through_a_symlink_nor_without_a_link(reg: Repo, lab: Lab) -> None:
    with pytest.raises(NotFound, match="no link"):
        init_card("other", reg.path)
    (lab.root / "outside").mkdir()
    (reg.path / "cards").symlink_to(lab.root / "outside")
    with pytest.raises(Refused, match="symlink"):
        init_card("m", reg.path)
    with pytest.raises(Refused, match="symlink"):
        read_card("m", reg.path)
    assert [each.message for each in told(reg)] == ["cards is a symlink, expected the card cards/m.md"]
    assert not list((lab.root / "outside").iterdir())


# judged


def test_a_full_card_passes(reg: Repo) -> None:
    assert lines(reg, FULL) == []


def test_an_artifact_without_a_card_is_told_at_its_link(reg: Repo) -> None:
    (found,) = told(reg)
    assert (found.path, found.fix) == (".mlem/links/m.mlem", "write one: registry card init m")


def test_without_a_policy_that_asks_nobody_needs_a_card(reg: Repo) -> None:
    reg.write({"policy.yaml": POLICY})
    assert told(reg) == []


def test_a_policy_that_says_what_a_card_must_have_means_it(reg: Repo) -> None:
    reg.write({"policy.yaml": f"{POLICY}card: {{required: [owner]}}\n", PATH: "---\n---\n"})
    (found,) = told(reg)
    assert (found.message, found.severity) == ("the card has no section 'Owner'", ERROR)
    reg.write({"policy.yaml": f"{POLICY}card: {{required: [owner]}}\nchecks: {{model-card: warning}}\n"})
    assert [each.severity for each in told(reg)] == [WARNING]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("card:\n", "no value"),
        ("card: {required: }\n", "no value"),
        ("card: {required: owner}\n", "expected a list"),
        ("card: {required: [ownr]}\n", "'ownr' is none of intended-use"),
        ("card: [owner]\n", "expected a mapping"),
    ],
)
def test_a_policy_of_cards_that_is_wrong_is_refused(text: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        parse_policy((POLICY + text).encode())


def test_an_unknown_key_of_the_policy_is_told() -> None:
    found = parse_policy(f"{POLICY}card: {{require: [owner]}}\n".encode())
    assert [each.key for each in found.unknown] == ["card.require"]
    assert found.card == Policy().card


@pytest.mark.parametrize(
    ("front", "line", "said"),
    [
        ("license: apache-2.0\nlanguage: no", 3, "'no' is no text to YAML: put it in quotes"),
        ("license: apache-2.0\nlanguage: [en, English]", 3, "'English' is no language code"),
        ("license: apache-2.0\ntags: [good, 1.0]", 3, "'1.0' is no text to YAML"),
        ("license: apache-2.0\ntags: good", 3, "expected a list of texts"),
        ("license: apache-2.0\nlibrary_name: [a]", 3, "expected text, found a list"),
        ("license: apache-2.0\ndatasets:", 3, "'datasets' has no value"),
        ("license: apache-2.0\nmodel-index:\n- name: m", 4, "'results' is missing"),
        ("license: apache-2.0\nmodel-index:\n- name: m\n  results:\n  - task: {type: t}", 6, "'dataset' is missing"),
        ("license: apache-3.0", 2, "'apache-3.0' is no license"),
        ("license: other", 2, "license: other needs license_name and license_link"),
        ("license: unknown", 2, "names no license"),
        ("license: apache-2.0\nlicense: mit", 3, "duplicate key 'license'"),
        ("license: &a apache-2.0\ntags: [*a]", 2, "anchor &a"),
        ("license: !!python/name:os.system apache-2.0", 2, "tag tag:yaml.org,2002:python/name:os.system"),
        ("a: " + "[" * 70 + "]" * 70, 2, "nested deeper than 64"),
        ("- a", 2, "expected a mapping"),
    ],
)
def test_front_matter_that_is_wrong_is_one_finding_with_its_line(reg: Repo, front: str, line: int, said: str) -> None:
    ((number, message),) = lines(reg, FULL.replace("license: apache-2.0", front))
    assert number == line
    assert said in message


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("# no front matter\n", 1, "no front matter"),
        ("", 1, "no front matter"),
        ("---\nlicense: mit\n", 1, "does not end"),
        (b"---\nlicense: mit\n---\n\xff\n", 4, "not UTF-8"),
        (b"---\n" + b"#" * (1 << 20), None, "a file of more than 1 MiB"),
    ],
)
def test_a_file_that_is_no_card_is_one_finding(reg: Repo, text: str | bytes, line: int | None, said: str) -> None:
    ((number, message),) = lines(reg, text)
    assert number == line
    assert said in message


def test_a_license_is_missing_without_front_matter_for_it(reg: Repo) -> None:
    assert lines(reg, FULL.replace("license: apache-2.0\n", "")) == [(None, "the card names no license")]


@pytest.mark.parametrize("text", ["apache-2.0", "Apache-2.0", "MIT OR Apache-2.0", "openrail++", "llama3.1", "other"])
def test_licences_of_spdx_and_hugging_face_are_known(text: str) -> None:
    assert is_license(text)


@pytest.mark.parametrize("text", ["", "apache", "MIT or", "(" * 5000, "MIT\u200b", "__import__('os')", "()" * 90])
def test_what_is_no_licence_is_not(text: str) -> None:
    assert not is_license(text)


@settings(max_examples=25)
@given(st.text(max_size=50))
def test_any_text_is_judged_as_a_licence(text: str) -> None:
    assert is_license(text) in {True, False}


def owner(body: str) -> list[tuple[str, int | None]]:
    return list(lacking(parse_card((FRONT + body).encode(), PATH), ["owner"]))


@pytest.mark.parametrize(
    "body",
    [
        "## Owner\nTeam Costs\n",
        "# owner #\r\n\r\nTeam Costs\r\n",
        "## Owner\n### Who\nTeam Costs\n",
        f"## Owner\n{PLACEHOLDER}\nTeam Costs\n",
        "###### Model Card Contact\n- Team Costs\n",
        "## Owner\n```\nTeam Costs\n```\n",
        "```\n<!--\n```\n## Owner\nTeam Costs\n",
        "<!-- a --> <!--\n--> \n## Owner\nTeam Costs\n",
    ],
)
def test_a_section_that_says_something_is_found(body: str) -> None:
    assert owner(body) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("Owner\n", None),
        ("```\n## Owner\nTeam Costs\n```\n", None),
        ("```\n    ```\n## Owner\nTeam Costs\n", None),
        ("<!--\n## Owner\nTeam Costs\n-->\n", None),
        ("<!-- never ends\n## Owner\nTeam Costs\n", None),
        ("    ## Owner\nTeam Costs\n", None),
        ("##Owner\nTeam Costs\n", None),
        ("####### Owner\nTeam Costs\n", None),
        ("## Owner\n## Other\nTeam Costs\n", 4),
        ("\n## Owner\n### Who\n", 5),
        (f"## Owner\n{PLACEHOLDER}\n", 4),
        (f"## Owner\n- **Team:** {PLACEHOLDER.lower()}\n", 4),
        ("## Owner\n<!-- Team Costs -->\n", 4),
        ("## Owner\nTODO\n", 4),
        ("## Owner\n{{ model_card_contact | default('x', true) }}\n", 4),
        ("## Owner\n---\n|---|---|\n", 4),
    ],
)
def test_a_section_that_nobody_sees_or_filled_is_lacking(body: str, line: int | None) -> None:
    (lack,) = owner(body)
    assert lack[1] == line


@given(st.text(alphabet=st.sampled_from("#`~<!-> \n\tOwner:[]{}\r\x85"), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for data in (text, FRONT + text):
        try:
            card = parse_card(data.encode(), PATH)
        except RegistryError:
            continue
        lines = data.replace("\r\n", "\n").split("\n")
        assert all("#" in lines[each.line - 1] for each in card.sections)
        as_html("m", card)


@pytest.mark.parametrize(
    "bomb",
    [b"# \n", b"<!---->", b"#" + b" " * 60_000 + b"x #", b"{{", b"`", b"# a\n## b\n", b"<!--\n"],
    ids=range(7),
)
def test_a_card_that_is_a_bomb_is_read_soon(bomb: bytes) -> None:
    begun = time.process_time()
    list(lacking(parse_card(FRONT.encode() + bomb * (60_000 // len(bomb)), PATH), REQUIRED))
    assert time.process_time() - begun < 3


def test_a_change_is_held_to_its_base_s_policy(reg: Repo) -> None:
    reg.commit({"policy.yaml": f"{POLICY}card: {{required: [owner]}}\n", PATH: FULL})
    base = reg.rev("HEAD")
    reg.commit({"policy.yaml": "format: 1\nversion: 2\ncard: {required: []}\n", PATH: FULL.replace("## Owner", "## O")})
    found = [each for each in check(reg.path, base=base).findings if each.id == "model-card"]
    assert [(each.path, each.message) for each in found] == [(PATH, "the card has no section 'Owner'")]


# read


def test_a_card_is_read_as_it_is_now_at_a_version_and_in_a_stage(reg: Repo, http: Callable[..., Any]) -> None:
    reg.commit({PATH: FULL})
    reg.tag("m@v1.1.0")
    newer = FULL + "More.\n"
    reg.commit({PATH: newer})
    reg.bare_clone("served.git")
    with_url = f"{http(reg.path.parent).url}/served.git"
    for project in (reg.path, with_url):
        assert read_card("m", project).data.decode() == newer
        found = read_card("m@v1.1.0", project)
        assert (found.data.decode(), found.version, found.commit) == (FULL, "v1.1.0", reg.rev("m@v1.1.0^{commit}"))
        with pytest.raises(NotFound, match=r"has no card: cards/m\.md is no file at"):
            read_card("m#prod", project)
        with pytest.raises(NotFound, match="'other' has no card"):
            read_card("other", project)
    with pytest.raises(RegistryError, match="into a folder, not a URL"):
        init_card("m", with_url)


def test_a_committed_symlink_is_no_card(reg: Repo) -> None:
    (reg.path / "cards").mkdir()
    (reg.path / PATH).symlink_to("/etc/hostname")
    commit_all(reg)
    reg.tag("m@v2.0.0")
    for name in ("m", "m@v2.0.0"):
        with pytest.raises(NotFound, match="is no file"):
            read_card(name, reg.path)


def commit_all(repo: Repo) -> None:
    repo.git("add", "--all")
    repo.commit()


@pytest.mark.parametrize("name", ["../x", "m@../x", "m#../x", "/etc/passwd", "", "@v1.0.0", "m@", "m#"])
def test_a_name_that_is_none_is_refused(reg: Repo, name: str) -> None:
    with pytest.raises(RegistryError):
        read_card(name, reg.path)


def test_the_commands(reg: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry_here(reg.path, "card", "init", "m").code == 0
    shown = registry_here(reg.path, "card", "show", "m")
    assert shown.stdout == (reg.path / PATH).read_text()
    found = json.loads(registry_here(reg.path, "card", "show", "m", "--json").stdout)
    assert (found["name"], found["fields"]["license"], found["version"]) == ("m", "unknown", None)
    assert [each["title"] for each in found["sections"] if not each["filled"]] == [
        *("Intended use", "Limitations", "Ethical considerations", "Training data", "Evaluation", "Owner")
    ]
    page = registry_here(reg.path, "card", "render", "m").stdout
    assert page.startswith("<!DOCTYPE html>")
    out = reg.path / "m.html"
    assert registry_here(reg.path, "card", "render", "m", "-o", str(out)).stdout == f"wrote {out}\n"
    assert out.read_text() == page


# rendered


class Seen(HTMLParser):
    """The tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]


SAFE = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "pre",
    "code",
    "p",
}
SAFE |= {"h1", "h2", "h3", "h4", "h5", "h6", "a", "em", "strong", "ul", "ol", "li", "hr", "br", "blockquote"}


def page(body: str, front: str = "license: mit\n", title: str = "m") -> str:
    return as_html(title, parse_card(f"---\n{front}---\n{body}".encode(), PATH))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<scr<!-- -->ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<!-- --!> <script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&#58;alert(1))",
        "[a](java&#10;script:alert(1))",
        "[a](&#1;javascript:alert(1))",
        "[a](vbscript:x) [b](data:text/html,x) [c](file:///etc/passwd)",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        '[a](https://x.example/"onmouseover="alert(1))',
        '[a](https://x.example "t\\" onmouseover=\\"alert(1)")',
        "![x](https://x.example/track.png)",
        '![" onerror="alert(1)](javascript:alert(1))',
        '```"><script>alert(1)</script>\nx\n```',
        "| a |\n|---|\n| <script> |",
        "</body></html><script>",
        "\x00<script>",
    ],
)
def test_nothing_in_a_card_is_obeyed(attack: str) -> None:
    found = Seen(page(attack))
    assert found.tags <= SAFE
    assert not {name for name in found.attributes if name.startswith("on")}
    assert {urlsplit(each).scheme for each in found.addresses} <= {"", "https"}


@pytest.mark.parametrize("address", ["https://x.example", "mailto:a@x.example", "other.md#a:b", "/a:b", "#a"])
def test_ordinary_addresses_become_links(address: str) -> None:
    assert Seen(page(f"[a]({address})")).addresses == [address]


def test_front_matter_and_title_are_escaped() -> None:
    front = "tags: ['<script>']\n'<b>': '<i>'\nmodel-index: [{name: '</pre><script>'}]\nempty: {}\nnone:\n"
    found = Seen(page("x", front, title="</title><script>"))
    assert found.tags <= SAFE


def test_a_page_loads_nothing_and_is_readable() -> None:
    text = page("# Costs\n\n<!-- hidden -->\n[docs](https://docs.example) **now**\n\n| a |\n|---|\n| 1 |\n")
    assert "default-src 'none'" in text
    assert "<h1>Costs</h1>" in text
    assert '<a href="https://docs.example">docs</a> <strong>now</strong>' in text
    assert "<td>1</td>" in text
    assert "<tr><th>license</th><td>mit</td></tr>" in text
    assert "hidden" not in text


@pytest.mark.parametrize("bomb", ["![", "*a_", "`", "> ", "[a](", "a|\n", "[a]: x\n"])
def test_a_card_that_is_a_bomb_is_rendered_soon(bomb: str) -> None:
    begun = time.process_time()
    page(bomb * ((LONGEST - 100) // len(bomb)))
    assert time.process_time() - begun < 10


def test_a_card_that_is_too_long_is_not_read() -> None:
    with pytest.raises(RegistryError, match="at most"):
        page("x" * (LONGEST + 1))


def test_a_terminal_is_not_obeyed() -> None:
    assert as_text("a\x1b]0;x\x07\u202eb\r\nc\td\n".encode() + b"\xff") == "a\\x1b]0;x\\x07\\u202eb\nc\td\n\\xff"
