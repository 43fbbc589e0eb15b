"""ONNX models, their external data included.

Source: `mlem.contrib.onnx`; https://onnx.ai/onnx/repo-docs/ExternalData.html. A model is a protocol buffer and holds no
code, so it loads by default. Tensors may lie in other files, which the model names by a path: here a path is only
looked up among the model's own artifacts, so a file that is not pinned is never opened, wherever it lies, and the
loaded `onnx.ModelProto` has every tensor in it. A protocol buffer ends at 2 GiB, and so does this.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.containment import contained
from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, pickles, unknown_io
from registry.formats.reading import calling, made_by, reading
from registry.metafile import ArtifactRef, Metafile, Processor
from registry.plural import plural

EXTRA = "onnx"
IO = "model_proto"
LIMIT = (1 << 31) - 1
"""Bytes of a protocol buffer."""
EXTERNAL = "tensors"
"""The file of external data, as MLEM calls it."""


class Onnx:
    """The format of model type `onnx`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The `onnx.ModelProto`; raises `Refused("path-contained")` or `RegistryError`."""
        if metafile.processors[processor].io != IO:
            raise unknown_io(metafile.processors[processor], (IO,))
        if "data" not in files:
            raise RegistryError(f"expected an artifact 'data', found {', '.join(sorted(files))}", "", "save it again")
        data = files["data"].read()
        onnx = pickles.needed("onnx", EXTRA)
        with reading("onnx", metafile):
            model = onnx.ModelProto.FromString(data)
            if not model.ir_version or not model.HasField("graph") or not model.graph.output:
                raise ValueError("it has no graph")
            _take_in(model, onnx.TensorProto, len(data), _held(metafile, processor, files))
        return model

    def accepts(self, model: object) -> bool:
        """Whether it is a `ModelProto`."""
        return made_by(model, "onnx", "ModelProto")

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """One file, which MLEM reads too, or with `external` a second one for the tensors, which MLEM does not."""
        from registry.formats import estimator, requirements

        if format not in {None, "onnx", "external"}:
            raise RegistryError(f"unknown format {format!r}", "", "use onnx (the default) or external")
        onnx = pickles.needed("onnx", EXTRA)
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model, onnx.TensorProto)):
            raise RegistryError("tensors of the model lie in other files", "", "read it with onnx.load(path)")
        called = self.bind(model, "predict") if sample_data is not None else _predict_of(None, {})
        interface = estimator.described({"predict": called}, sample_data)
        with calling("onnx cannot store this model", 'save it with format="external"'):
            artifacts = _apart(model, onnx) if format == "external" else {"data": model.SerializeToString()}
        modules = {"onnx", "onnxruntime", "numpy"}
        needs, local = requirements.collect(modules | requirements.of_interface(interface))
        return Saved(Processor("onnx", IO, interface), artifacts, needs, local=local)

    def bind(self, model: Any, method: str) -> Callable[..., object]:
        """`predict`, which runs the model in onnxruntime on the processor; the runtime is made once, here."""
        if method != "predict":
            raise RegistryError(f"an ONNX model has no method {method[:80]!r}", "", "call predict")
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # else it writes to the home folder and may report there
        runtime, onnx = pickles.needed("onnxruntime", EXTRA), pickles.needed("onnx", EXTRA)
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        with calling("onnxruntime cannot run this model", "use an onnxruntime that knows the model's operators"):
            data = model.SerializeToString()
            session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        kinds = {
            each.name: onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type)
            for each in model.graph.input
            if each.type.HasField("tensor_type")
        }
        return _predict_of(session, kinds)


def _predict_of(session: Any, kinds: Mapping[str, Any]) -> Callable[[Any], list[Any]]:
    """MLEM's `predict`: one array or table, or a list with one for each input; always a list of outputs."""

    def predict(data: Any) -> list[Any]:
        inputs = [each.name for each in session.get_inputs()]
        given = data if isinstance(data, list) else [data]
        if len(given) != len(inputs):
            raise RegistryError(
                f"{plural(len(given), 'input is', 'inputs are')} given, the model takes {len(inputs)}",
                "",
                ", ".join(inputs),
            )
        fed = {name: _array(each, kinds.get(name)) for name, each in zip(inputs, given, strict=True)}
        return [_result(each) for each in session.run(None, fed)]

    return predict


def _array(value: Any, dtype: Any) -> Any:
    found = value.to_numpy() if hasattr(value, "to_numpy") else value
    if not hasattr(found, "astype"):
        raise RegistryError(f"an input is a {type(value).__qualname__}", "", "pass numpy arrays or pandas data")
    return found if dtype is None else found.astype(dtype)


def _result(value: Any) -> Any:
    """A list, which a classifier's probabilities are, as MLEM gives it: one row each."""
    if not isinstance(value, list):
        return value
    import pandas as pd

    return pd.DataFrame(value).to_numpy()


def _held(metafile: Metafile, processor: str, files: Mapping[str, File]) -> Callable[[str], File]:
    """Look up what a `location` names: the artifact whose uri lies there, seen from the model's own file."""
    uris = {name: posixpath.normpath(_reference(metafile, processor, name).uri) for name in files}
    folder = posixpath.dirname(uris["data"])
    by_path = {uri: name for name, uri in uris.items() if name != "data"}

    def find(location: str) -> File:
        path = posixpath.join(folder, contained(location, "a location of external data", uris["data"]))
        if path not in by_path:
            raise RegistryError(
                f"the model needs external data {location[:200]!r}, which is none of its pinned artifacts",
                "",
                "read it with onnx.load(path) and save it with registry.save, which puts the data into the model",
            )
        return files[by_path[path]]

    return find


def _reference(metafile: Metafile, processor: str, name: str) -> ArtifactRef:
    found = metafile.artifacts.get(f"{processor}/{name}") or metafile.artifacts.get(name)
    return found if found is not None else ArtifactRef(name)


def _take_in(model: Any, kind: Any, size: int, held: Callable[[str], File]) -> None:
    """Put external data into the tensors it belongs to; raises `Refused` or `RegistryError`."""
    known: dict[str, bytes] = {}
    for tensor in _tensors(model, kind):
        if tensor.data_location != kind.EXTERNAL:
            continue
        says = {entry.key: entry.value for entry in tensor.external_data}
        location = says.get("location", "")
        if location not in known:
            known[location] = held(location).read()
        data, start = known[location], _whole(says.get("offset", "0"))
        end = start + _whole(says["length"]) if "length" in says else len(data)
        if max(start, end) > len(data):
            raise RegistryError(
                f"external data {location[:200]!r} ends before byte {max(start, end)}", "", "save the model again"
            )
        size += end - start
        if size > LIMIT:
            raise RegistryError(f"with its external data the model is larger than {LIMIT} bytes", "", "split it")
        tensor.raw_data = data[start:end]
        del tensor.external_data[:]
        tensor.data_location = kind.DEFAULT


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - digits of a file's size
        raise RegistryError(f"{text[:80]!r} is no place in external data", "", "save the model again")
    return int(text)


def _tensors(message: Any, kind: Any) -> Iterator[Any]:
    """Every tensor at any depth: initializers, attributes, subgraphs, functions, sparse and training parts."""
    if isinstance(message, kind):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in [value] if hasattr(value, "ListFields") else value:
            if hasattr(inner, "ListFields"):
                yield from _tensors(inner, kind)


def _apart(model: Any, onnx: Any) -> dict[str, bytes]:
    """The model without the bytes of its tensors, and those bytes; `model` itself stays as it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    stored = bytearray()
    for tensor in copy.graph.initializer:
        if not tensor.HasField("raw_data"):
            continue
        data = tensor.raw_data
        onnx.external_data_helper.set_external_data(tensor, EXTERNAL, offset=len(stored), length=len(data))
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        stored += data
    return {"data": copy.SerializeToString(), **({EXTERNAL: bytes(stored)} if stored else {})}
