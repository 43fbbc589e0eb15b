"""The main job, from a trained model to a refusal: `make demo`.

Every part is the real one: scikit-learn's own data, git repositories served by `git http-backend` over HTTP, gto, and
an application in a process of its own. Each step is checked; the demo ends with 1 where one does not hold. All it
writes is below `demo-output/`, made anew at each run; the user's git settings and caches are neither used nor changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chapters import NAME, Demo
from client import App
from git import GitError
from story import BIN, Story, Wrong

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parents[1] / "demo-output"
SETTINGS = """\
[user]
\tname = Dana
\temail = dana@example.org
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
"""


def isolate(output: Path) -> None:
    """Let this process and all it starts see no git settings, home or caches but those below `output`."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "REGISTRY_", "XDG_"))]:
        del os.environ[name]
    home = output / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(SETTINGS)
    os.environ |= {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_CONFIG_NOSYSTEM": "1",
                   "GIT_TERMINAL_PROMPT": "0", "REGISTRY_CACHE_DIR": str(output / "cache")}  # fmt: skip


def tell(story: Story, output: Path, url: str) -> None:
    """All chapters, in order."""
    with contextlib.ExitStack() as stack:
        demo = Demo(story, output, url)
        demo.train()
        demo.make_registry()
        demo.record()
        app = App(story, demo.url, output / "cache-of-the-application")
        stack.callback(app.end)
        demo.predict(app)
        demo.promote(app)
        demo.alter()
        fresh = App(story, demo.url, output / "cache-of-a-new-machine")
        stack.callback(fresh.end)
        demo.refuse(app, fresh)


def prepare(output: Path, names: Sequence[str]) -> None:
    """Empty the output folder and put empty repositories on the server."""
    shutil.rmtree(output, ignore_errors=True)
    for folder in ("server", "clones"):
        (output / folder).mkdir(parents=True)
    isolate(output)
    for name in names:
        subprocess.run(["git", "init", "--quiet", "--bare", str(output / "server" / f"{name}.git")], check=True)


def summary(story: Story, output: Path, url: str, seconds: float) -> str:
    """What happened, and where to look."""
    root = HERE.parents[1]
    shown = output.relative_to(root) if output.is_relative_to(root) else output
    return f"""
Done in {seconds:.0f} s; {story.held} expectations held. A model was trained, linked, registered, promoted, rolled back,
and refused once it was altered: with git repositories, and nothing else that has to run.

  {shown}/clones/cost-prediction   the source as Dana has it: train.py, the models, the tags v1 and v2
  {shown}/clones/model-registry    the registry: .mlem/links/{NAME}.mlem, and versions and stages as tags
  {shown}/clones/intruder          the source as the intruder rewrote it
  {shown}/server                 both as they are served

Look around:
  cd {shown}/clones/model-registry && {BIN / "registry"} show
Serve them again, so that the URLs in the links work:
  {sys.executable} examples/demo/git_http.py {shown}/server --port {url.rpartition(":")[2]}
"""


@contextlib.contextmanager
def served(output: Path) -> Iterator[str]:
    """Serve `output/server` over HTTP in a process of its own, which ends with the block; its URL."""
    line = [sys.executable, str(HERE / "git_http.py"), str(output / "server")]
    with (
        (output / "server.log").open("w") as log,
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            url = server.stdout.readline().strip() if server.stdout else ""
            if not url:
                raise Wrong(f"the git server did not start; see {log.name}")
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)  # leaving the block does not wait long after an interruption
            except subprocess.TimeoutExpired:
                server.kill()


def main() -> int:
    """Run the demo; 0 when everything held."""
    started = time.monotonic()
    output = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else OUTPUT
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        prepare(output, ("cost-prediction", "model-registry"))
        story = Story(os.environ)
        with served(output) as url:
            print(f"All that follows is made below {output}; git is served at {url}")
            tell(story, output, url)
    except (Wrong, GitError) as wrong:
        print(f"\nThe demo did not show what it promises:\n{wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    print(summary(story, output, url, time.monotonic() - started))
    return 0


if __name__ == "__main__":
    sys.exit(main())
