"""Commands that set a registry up and link models into it."""

from __future__ import annotations

import gc
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import options
from registry.cli.app import FAILED
from registry.plural import plural

if TYPE_CHECKING:
    from registry.api.checking import Report
    from registry.api.linking import Linked

FORMATS = ("text", "json", "github", "markdown", "sarif")


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--governed",
    is_flag=True,
    help="Also promotion, tag verification and audit as workflows, CODEOWNERS and policy.yaml.",
)
@click.option("--package", metavar="REQUIREMENT", help="What the workflows install, as pip reads it.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="@ORG/TEAM",
    help="Who must approve a change of the gate; with --governed; may be given again.",
)
@options.as_json
def init(folder: Path, governed: bool, package: str | None, owners: tuple[str, ...], as_json: bool) -> None:
    """Make FOLDER (this one by default) a registry, with its workflows for GitHub.

    Files are written, never committed and never overwritten.
    """
    from registry.api.scaffold import OWNERS, PACKAGE, installs_nothing, owned_by_nobody
    from registry.api.scaffold import init as make

    written = make(folder, governed=governed, package=package, owners=owners)
    if as_json:
        options.print_json([str(path) for path in written])
        return
    for path in written:
        click.echo(f"wrote {os.path.relpath(path)}")
    if owners and folder.absolute() / OWNERS not in written:
        click.echo(f"{OWNERS} was there and is kept: write {' '.join(owners)} into it yourself")
    if not written:
        click.echo("this is a registry already: nothing was written")
        return
    if installs_nothing(folder):
        click.echo(f"Name in {PACKAGE} what the workflows are to install.")
    click.echo("Next: commit it, then link a model:")
    click.echo("  registry link --source-project URL --rev TAG MODEL NAME")
    if governed and owned_by_nobody(folder):
        click.echo(
            f"Nobody owns the gate yet, since {OWNERS} names no one: write owners there (--owner does it at once)."
        )


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--source-project",
    required=True,
    metavar="PATH|URL",
    help="The repository the model lives in; or mlflow+https://HOST, a tracking server of MLflow.",
)
@click.option("--rev", help="The revision to pin: a tag of the source, best; or a branch or commit. Not for MLflow.")
@click.option("--pull-request", is_flag=True, help="Push it as a branch of its own, and open a pull request.")
@click.option("--no-lineage", is_flag=True, help="Write no birth certificate beside the link.")
@options.repo
@options.as_json
def link(
    source: str,
    target: str,
    source_project: str,
    rev: str | None,
    pull_request: bool,
    no_lineage: bool,
    repo: str,
    as_json: bool,
) -> None:
    """Link the model SOURCE of another repository as the artifact TARGET, pinned to one commit and its digests.

    Of MLflow SOURCE is runs/RUN_ID/ARTIFACT_PATH or models/NAME/VERSION, pinned to the run and its digests.

    Beside it goes the model's birth certificate, .mlem/lineage/TARGET.json: see `registry lineage`. The files are
    written, never committed; with --pull-request they are committed on a branch of origin instead, with the artifact's
    card where it is new or altered, and what is checked out here stays as it is.

    \b
    Example:  registry link --source-project https://github.com/mycompany/cost-prediction \\
                  --rev v1 linear_regression cost_predictor
    """
    if pull_request:
        _propose(source, target, source_project, rev, repo, lineage=not no_lineage, as_json=as_json)
        return
    from registry.api.linking import link as make
    from registry.cli.progress import Transfers

    with Transfers(quiet=as_json) as transfers:
        done = make(
            source,
            target,
            source_project=source_project,
            rev=rev,
            project=repo,
            lineage=not no_lineage,
            progress=transfers.step,
        )
    if as_json:
        options.print_json({"name": done.name, "path": str(done.path), "link": done.link.json()})
        return
    click.echo(f"wrote {os.path.relpath(done.path)}")
    _tell_pins(done)
    from registry.lineage import UNASKED

    for each in done.certificate.breaks if done.certificate else ():
        said = each if each.startswith(UNASKED) else f"the chain back to the data is broken: {each}"
        click.echo(f"warning: {said}", err=True)


def _tell_pins(done: Linked) -> None:
    rev = done.link.rev
    what = f"is commit {done.link.commit}" if done.link.commit else "names no commit"
    click.echo(f"  {done.revision.kind} {rev} {what}")
    for name, pin in done.link.artifacts.items():
        click.echo(f"  {name}: sha256 {pin.sha256}")
    if done.revision.kind not in {"tag", "run"}:
        click.echo(f"warning: {rev} is no tag: a tag says what a person reviewed", err=True)


def _propose(
    source: str, target: str, source_project: str, rev: str | None, repo: str, *, lineage: bool, as_json: bool
) -> None:
    from registry.api.proposing import propose

    done = propose(source, target, source_project=source_project, rev=rev, project=repo, lineage=lineage)
    if as_json:
        link = {"name": done.linked.name, "path": str(done.linked.path)}
        told = {name: getattr(done, name) for name in ("files", "branch", "base", "pushed", "pull_request", "compare")}
        options.print_json({**link, "link": done.linked.link.json(), **told})
        return
    said = "pushed" if done.pushed else "nothing new to push:"
    click.echo(f"{said} {', '.join(done.files)} on branch {done.branch}")
    _tell_pins(done.linked)
    if done.pull_request:
        click.echo(f"pull request: {done.pull_request}")
    elif done.compare:
        click.echo(f"{done.reason}; open the pull request here:\n  {done.compare}")
    else:
        click.echo(f"{done.reason}; open a pull request of {done.branch} into {done.base} on your git host")


@click.command()
@options.repo
@click.option("--base", metavar="REV", help="Judge only what changed since REV, by the policy and contracts of REV.")
@click.option("--head", metavar="REV", help="Judge this revision.  [default: the work tree; with --base: HEAD]")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How findings are printed."
)
@options.as_json
@click.option("--custom-checks", "custom", is_flag=True, help="Run the registry's own scripts/checks, from the base.")
@click.option("--quiet", is_flag=True, help="Print findings only, no progress.")
def check(repo: str, base: str | None, head: str | None, form: str, as_json: bool, custom: bool, quiet: bool) -> int:
    """Check every link of the registry: pinned, reachable, unaltered, and matching its interface.

    With --base only what a change touches is judged, as in a pull request: all is read from git objects, and nothing
    of the change is run; the Markdown then also compares each changed link with its base, and with what the first
    protected stage holds. --json is --format json. Exits with 1 when a finding is an error.
    """
    gc.disable()  # the process ends with its answer: looking for cycles among all that was read costs a tenth of it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # no other package has a say in how a policy is read
    from registry.api.checking import check as judge
    from registry.cli.progress import Progress

    form = "json" if as_json else form
    with Progress("checking", quiet=quiet or form != "text") as progress:
        report = judge(repo, base=base, head=head, custom=custom, progress=progress.step)
    text = _rendered(report, form)
    if form == "markdown" and base is not None:
        text += _compared(repo, base, head or "HEAD", len(text))
    click.echo(text, nl=form != "markdown")
    return 0 if report.passed else FAILED


def _compared(repo: str, base: str, head: str, used: int) -> str:
    """What the change does to each model, where the comment has room for it; no part of the judgement."""
    from registry.api.candidates import candidates
    from registry.errors import RegistryError
    from registry.render.comparison_markdown import candidates_as_markdown
    from registry.render.markdown import LONGEST

    try:
        found = candidates(repo, base=base, head=head)
    except RegistryError as error:
        click.echo(f"warning: nothing is compared: {error.what}", err=True)
        return ""
    return f"\n{candidates_as_markdown(found, LONGEST - used)}" if found else ""


@click.command()
@options.repo
@options.as_json
@click.option("--quiet", is_flag=True, help="Print findings only, no progress.")
def verify(repo: str, as_json: bool, quiet: bool) -> int:
    """Verify the whole registry: every link as `check` does, every tag as `doctor` does, and tags' signatures.

    Signatures are held against the registry's file allowed_signers, where it has one.

    Exits with 1 when a finding is an error.
    """
    from registry.api.verifying import verify as judge
    from registry.cli.progress import Progress

    with Progress("verifying", quiet=quiet or as_json) as progress:
        report = judge(repo, progress=progress.step)
    click.echo(_rendered(report, "json" if as_json else "text"))
    return 0 if report.passed else FAILED


def _package() -> tuple[str, str]:
    """The version, and the URL of the page of checks where the package's metadata names its documentation."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        known = metadata("git-model-registry")
    except PackageNotFoundError:  # run from a clone
        return "0", ""
    named = (each.partition(", ") for each in known.get_all("Project-URL") or ())
    docs = next((f"{url.rstrip('/')}/checks.md" for label, _, url in named if label == "Documentation"), "")
    return known["Version"], docs


def _rendered(report: Report, form: str) -> str:
    import json

    nothing = f"{plural(report.links, 'link')} checked, no findings"
    if form == "json":
        return json.dumps([finding.json() for finding in report.findings], indent=4)
    if form == "sarif":
        from registry.api.checking import catalogue
        from registry.render.sarif import as_sarif

        rules = {id_: (each.sentence, each.remedy) for id_, each in catalogue().items()}
        return as_sarif(report.findings, rules, *_package())
    module, name = {"github": ("github", "as_github"), "markdown": ("markdown", "as_markdown")}.get(
        form, ("findings", "as_text")
    )
    render = getattr(import_module(f"registry.render.{module}"), name)
    return str(render(report.findings, nothing, report.notes))
