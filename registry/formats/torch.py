"""torch: weights as safetensors or as a state dict, TorchScript, exported programs, and MLEM's pickled modules.

Source: `mlem.contrib.torch`; https://docs.pytorch.org/docs/stable/notes/serialization.html. What may happen at a load:

- safetensors hold no code: they load by default, whatever the policy says of pickles;
- `torch_io` is `torch.save`'s pickle: `formats.pickle` must admit it, and it is read with `weights_only=True`, which
  refuses whatever is no tensor or plain container. Only `formats.torch_weights_only: false` admits more, such as the
  whole modules that MLEM pickles. torch before 2.6 is refused: its `weights_only` ran code (CVE-2025-32434);
- `torch_io` with `is_jit` is TorchScript: its own language, which cannot reach Python but can read and write files when
  it is called, so `formats.pickle` must admit it;
- `torch_export` is an exported program, whose own reader uses plain pickles and evaluates text: both keys are needed.

Tensors are put on the CPU, wherever they were when they were saved.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from registry.datatypes import UNSPECIFIED
from registry.errors import Refused, RegistryError
from registry.formats import File, Saved, Trust, only_file, pickles, safetensors, unknown_io
from registry.formats.reading import calling, made_by, reading, require_bounded_zip
from registry.interface import Interface, Method
from registry.metafile import Metafile, Processor

EXTRA = "torch"
EXPORT = "torch_export"
POLICY_KEY = "formats.torch_weights_only"
_LEAST = (2, 6)
_WRITTEN = ("safetensors", "state_dict", "jit", "export", "pickle")


class Torch:
    """The format of model type `torch`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """A `dict` of tensors, a `ScriptModule`, an `ExportedProgram` or a `Module`.

        Raises `Refused("format-allowed")` or `RegistryError`.
        """
        found = metafile.processors[processor]
        if found.io == safetensors.IO:
            return safetensors.read(only_file(files, "data").read(), metafile, "torch")
        if found.io not in {"torch_io", EXPORT}:
            raise unknown_io(found, (safetensors.IO, "torch_io", EXPORT))
        pickles.require_allowed(trust, found.io)
        if found.io == EXPORT and trust.torch_weights_only:
            raise _refused("an exported program is read by torch with plain pickles")
        data = only_file(files, "data").read()
        torch = pickles.needed("torch", EXTRA)
        with reading(found.io, metafile):
            require_bounded_zip(data)
            if found.io == EXPORT:
                return torch.export.load(io.BytesIO(data))
            if found.io_options.get("is_jit") is True:
                return torch.jit.load(io.BytesIO(data), map_location="cpu")
            return _unpickled(torch, data, trust)

    def accepts(self, model: object) -> bool:
        """Whether it is a module, a script, an exported program or a dict of tensors."""
        kinds = ("Module", "ScriptModule", "ScriptFunction", "ExportedProgram")
        return made_by(model, "torch", *kinds) or safetensors.holds(model, "torch", "Tensor")

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """Weights as safetensors, scripts as TorchScript, exported programs as such, unless `format` says otherwise.

        `jit` compiles a module, `export` traces it with `sample_data`, `state_dict` and `pickle` are `torch.save`'s.
        """
        from dataclasses import replace

        from registry.formats import requirements

        torch = pickles.needed("torch", EXTRA)
        kind = format or _kind(torch, model)
        if kind not in _WRITTEN:
            raise RegistryError(f"unknown format {format!r}", "", f"use one of {', '.join(_WRITTEN)}")
        interface = Interface()
        if not isinstance(model, Mapping):
            interface = Interface(MappingProxyType({"__call__": _described(self, model, sample_data)}))
        with calling(f"torch cannot store this model as {kind}", f"use another format of {', '.join(_WRITTEN)}"):
            data = _written(torch, model, sample_data, kind)
        io_ = {"safetensors": safetensors.IO, "export": EXPORT}.get(kind, "torch_io")
        modules = {"torch", *(["safetensors"] if kind == "safetensors" else [])} | requirements.of_interface(interface)
        if kind == "pickle":
            modules |= {"cloudpickle", *(type(each).__module__.partition(".")[0] for each in model.modules())}
        needs, local = requirements.collect(modules)
        needs = tuple(replace(each, version=(each.version or "").partition("+")[0]) for each in needs)
        options = MappingProxyType({"is_jit": True} if kind == "jit" else {})
        return Saved(Processor("torch", io_, interface, options), {"data": data}, needs, local=local)

    def bind(self, model: Any, method: str) -> Callable[..., object]:
        """The call without gradients, of one tensor or, as in MLEM, of a tuple or list of arguments."""
        torch = pickles.needed("torch", EXTRA)
        if isinstance(model, Mapping):
            raise RegistryError(
                "weights alone cannot be called", "", "build the module and give it load_state_dict(registry.load(…))"
            )
        runnable = model.module() if made_by(model, "torch", "ExportedProgram") else model
        called = runnable if method == "__call__" else getattr(runnable, method)

        def call(*args: Any, **kwargs: Any) -> object:
            spread = len(args) == 1 and not kwargs and isinstance(args[0], (tuple, list))
            with torch.no_grad():
                return called(*args[0]) if spread else called(*args, **kwargs)

        return call


def _unpickled(torch: Any, data: bytes, trust: Trust) -> object:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _LEAST:
        raise RegistryError(
            f"torch {torch.__version__} runs code from pickles in spite of weights_only", "", "pip install 'torch>=2.6'"
        )
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        beyond = any(said in str(error) for said in ("GLOBAL", "Unsupported global", "Unsupported class"))
        if trust.torch_weights_only:
            if beyond:
                raise _refused(f"the file holds more than tensors: {_first(error)}") from error
            raise
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)  # the policy says so


def _first(error: Exception) -> str:
    """The sentence of torch's long message that names what is refused."""
    found = [line for line in str(error).splitlines() if "Unsupported" in line or "GLOBAL" in line]
    return (found[0] if found else str(error)).strip()[:300]


def _refused(why: str) -> Refused:
    return Refused(
        "format-allowed",
        f"{why}, and {POLICY_KEY} is true",
        "",
        f"save the weights with registry.save (safetensors), or have {POLICY_KEY} in policy.yaml set to false",
    )


def _kind(torch: Any, model: object) -> str:
    if isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
        return "jit"
    return "export" if made_by(model, "torch", "ExportedProgram") else "safetensors"


def _described(format_: Torch, model: Any, sample: object) -> Method:
    """MLEM's description of a module's `__call__`: whatever it is given."""
    from registry.formats.samples import infer

    if sample is None:
        return Method("__call__", (), UNSPECIFIED, "args", "kwargs")
    with calling("__call__ failed on the sample data", "pass sample data as the model gets it"):
        result = format_.bind(model, "__call__")(sample)
    try:
        returns = infer(result)
    except RegistryError:
        returns = UNSPECIFIED
    return Method("__call__", (), returns, "args", "kwargs", varargs_type=infer(sample))


def _written(torch: Any, model: Any, sample: object, kind: str) -> bytes:
    if kind == "safetensors":
        weights = model if isinstance(model, Mapping) else model.state_dict()
        return safetensors.write({name: each.detach().contiguous() for name, each in weights.items()}, "torch")
    stream = io.BytesIO()
    if kind == "state_dict":
        torch.save(model if isinstance(model, Mapping) else model.state_dict(), stream)
    elif kind == "pickle":
        torch.save(model, stream, pickle_module=pickles.needed("cloudpickle", "callable"))
    elif kind == "jit":
        torch.jit.save(model if _kind(torch, model) == "jit" else torch.jit.script(model), stream)
    else:
        torch.export.save(_exported(torch, model, sample), stream)
    return stream.getvalue()


def _exported(torch: Any, model: Any, sample: Any) -> Any:
    if made_by(model, "torch", "ExportedProgram"):
        return model
    if sample is None:
        raise RegistryError("a module is exported by calling it", "", "pass sample_data of at least two rows")
    given = tuple(sample) if isinstance(sample, (tuple, list)) else (sample,)
    free = tuple({0: torch.export.Dim.AUTO} if getattr(each, "ndim", 0) else None for each in given)
    return torch.export.export(model, given, dynamic_shapes=free, strict=False)
