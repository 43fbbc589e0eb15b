"""One HTML page of its own: a file without scripts that loads nothing, and a policy in its head that forbids both."""

from __future__ import annotations

from html import escape

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ color: #1b1f24; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ border: 1px solid #c8cdd3; padding: .3rem .6rem; text-align: left; vertical-align: top; }}
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""
READING = "body {{ font: 16px/1.5 system-ui, sans-serif; max-width: {width}rem; margin: 2rem auto; padding: 0 1rem; }}"
"""Style of a page of text: a column of this width."""


def page(title: str, body: str, style: str) -> str:
    """The page; `title` is text, `body` and `style` are HTML and CSS already."""
    return _PAGE.format(title=escape(title), body=body, style=style)
