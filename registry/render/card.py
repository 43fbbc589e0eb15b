"""A model card as text for a terminal and as an HTML page of its own.

Rules: the page is one file without scripts, and loads nothing: a policy in its head forbids both, images become links.
HTML in a card is shown as text, never obeyed; of addresses only `https`, `http`, `mailto` and those without a scheme
become links. Markdown is read by markdown-it-py (CommonMark with tables; https://spec.commonmark.org/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from registry.card import Card
from registry.document import thaw
from registry.errors import RegistryError
from registry.render.page import READING, page
from registry.strictyaml import dump

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_SCHEME = re.compile(r"[^/?#]*:")
"""What comes before the first slash with a colon in it: a scheme, or what some browser may take for one."""
_ADMITTED = re.compile(r"(?i)(?:https?|mailto):")
_STYLE = f"""\
{READING.format(width=48)}
pre {{ background: #f4f5f7; padding: .8rem; overflow-x: auto; }}
td pre {{ margin: 0; padding: .3rem; }}"""


def as_text(data: bytes) -> str:
    """The card as it is written; what a terminal would obey is escaped."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n").rstrip("\n")
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


def as_html(title: str, card: Card) -> str:
    """The page. Raises `RegistryError` where the renderer is not installed."""
    rows = "\n".join(_row(str(key), value) for key, value in card.fields.mapping().items())
    return page(title, f"<table>\n{rows}\n</table>\n{_markdown().render(card.body)}".rstrip("\n"), _STYLE)


def _markdown() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ModuleNotFoundError:
        raise RegistryError("markdown-it-py is not installed", "", 'pip install "git-model-registry[card]"') from None

    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    made.validateLink = _admitted  # type: ignore[method-assign]  # how the library says which addresses are links
    made.add_render_rule("image", _image)
    return made


def _admitted(url: str) -> bool:
    return _SCHEME.match(url) is None or _ADMITTED.match(url) is not None


def _image(_: object, tokens: Sequence[Any], index: int, *__: object) -> str:
    """An image would be loaded from where the card says: its reader opens it, or not."""
    address, label = str(tokens[index].attrGet("src") or ""), tokens[index].content or "image"
    return f'<a href="{escape(address)}">{escape(label)}</a>'


def _row(key: str, value: Any) -> str:
    if isinstance(value, str):
        shown = escape(value)
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        shown = escape(", ".join(value))
    else:
        shown = f"<pre>{escape(dump(_plain(thaw(value))))}</pre>"
    return f"<tr><th>{escape(key)}</th><td>{shown}</td></tr>"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else str(value) if value is not None else ""
