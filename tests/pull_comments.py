"""A stand-in for `gh api` on the comments of a pull request, which it keeps in a file in the shape GitHub answers.

It takes the arguments that our workflows use and no others; `--jq` is done by jq itself, whose grammar gh's own has. As
on GitHub a body of more than 65,536 characters is refused. Whoever posts here is the workflow's own token.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

LONGEST = 65_536
BOT = "github-actions[bot]"


def comment(number: int, login: str, body: str) -> dict[str, Any]:
    """One comment, as the host answers it."""
    return {"id": number, "user": {"login": login}, "body": body}


def main(arguments: list[str]) -> int:
    """List, add or alter."""
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--field")
    parser.add_argument("--jq")
    for flag in ("--silent", "--paginate"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args(arguments)
    kept = Path(f"{os.environ['SHIM_LOG']}.comments")
    there = json.loads(kept.read_text()) if kept.exists() else []
    if given.method == "GET":
        assert re.fullmatch(r"repos/mycompany/reg/issues/1/comments\?per_page=100", given.path), given.path
        asked = subprocess.run(
            ["jq", "-r", given.jq], input=json.dumps(there), capture_output=True, text=True, check=True
        )
        print(asked.stdout, end="")
        return 0
    key, _, value = given.field.partition("=@")
    assert key == "body"
    body = Path(value).read_text()
    if len(body) > LONGEST:
        return 1
    if given.method == "POST":
        assert given.path == "repos/mycompany/reg/issues/1/comments", given.path
        there.append(comment(100 + len(there), BOT, body))
    else:
        number = given.path.removeprefix("repos/mycompany/reg/issues/comments/")
        (found,) = [each for each in there if str(each["id"]) == number]
        found["body"] = body
    kept.write_text(json.dumps(there))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
