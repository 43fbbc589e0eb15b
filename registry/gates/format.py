"""`format`: the model is stored in a format that the gate admits.

The loader obeys the policy's own `formats`, so only what that admits and the gate does not is looked for. The types
that a skops file names are read from its bytes, and nothing is loaded. What is in a torch archive only a load sees:
there a gate that admits less than the policy cannot be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from registry.checks.format_allowed import PICKLES, FormatAllowed
from registry.document import thaw
from registry.errors import Refused
from registry.findings import Finding
from registry.formats import File, Trust, processor_files
from registry.gates import Case, as_failed, failed, passed
from registry.metafile import Processor
from registry.mlmodel import DOCUMENT, NAME, TYPE, Stored, sound
from registry.policygates import Formats

_TORCH = {"torch_io", "torch_export"}


def run(gate: Formats, case: Case) -> Iterator[Finding]:
    """Findings of `format-allowed`. Raises `Unjudged`."""
    subject = case.under(case.model, formats=gate)
    found = [*FormatAllowed().run(subject), *_beyond(gate, case)]
    yield from as_failed(gate, case, found, "save the model with registry.save (skops)")
    if not found:
        stored = dict.fromkeys(each.io or "" for each in subject.model.metafile.processors.values())
        yield passed(gate, case, f"stored as {', '.join(filter(None, stored)) or 'files'}")


def _beyond(gate: Formats, case: Case) -> Iterator[Finding]:
    """What the policy admits at load, and the gate does not."""
    policy, metafile = case.subject.policy.formats, case.model.model.metafile
    for name, processor in metafile.processors.items():
        stored = _stored(processor)
        io = stored.io if stored is not None else processor.io
        if io in PICKLES and processor.io not in PICKLES and gate.pickle != "pinned":
            message = f"{name[:80]!r} says {processor.io}, and is stored as {io}, which runs code"
            yield failed(gate, case, message, "save the model again")
        if io == "skops" and set(policy.skops_trusted) - set(gate.skops_trusted):
            files = processor_files(metafile, name, case.files())
            for file in [files[stored.file]] if stored is not None and stored.file in files else files.values():
                yield from _types(gate, case, file)
        if io in _TORCH and gate.torch_weights_only and not policy.torch_weights_only:
            message = f"{name[:80]!r} is stored as {io}: whether it holds tensors alone only a load sees"
            yield failed(gate, case, message, "store it as safetensors, or give torch_weights_only to the gate")


def _stored(processor: Processor) -> Stored | None:
    """How a model of MLflow is stored, by its `MLmodel`, as the loader asks. Raises `RegistryError`."""
    document = processor.io_options.get(DOCUMENT)
    return sound(thaw(document), NAME) if processor.type == TYPE and isinstance(document, Mapping) else None


def _types(gate: Formats, case: Case, file: File) -> Iterator[Finding]:
    """The types that a skops file names and the gate does not admit. Raises `RegistryError` for another file."""
    from registry.formats.sklearn import admitted_types

    trust = Trust(gate.pickle, gate.skops_trusted, gate.torch_weights_only)
    try:
        admitted_types(case.model.model.metafile, file.read(), trust)
    except Refused as error:
        yield failed(gate, case, error.what, "do without these types, or add them to the gate")
