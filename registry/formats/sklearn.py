"""scikit-learn: read from skops, pickle and joblib; saved as skops unless pickle or joblib is asked for.

Model types and methods are those MLEM gives (`mlem.contrib.sklearn`), so that its readers know them. skops files hold
no code (https://skops.readthedocs.io); which types may stand in one is decided in `trusted_types`.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from registry.errors import Refused, RegistryError
from registry.formats import File, Saved, Trust, install_line, only_file, pickles, trusted_types, unknown_io
from registry.metafile import Metafile, Processor

SKOPS = "skops"
_WRITTEN = {None: SKOPS, "skops": SKOPS, "pickle": "simple_pickle", "joblib": "joblib"}
EXTRA = "sklearn"


class Sklearn:
    """The format of model types `sklearn`, `sklearn_pipeline` and `sklearn_transformer`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The estimator; raises `Refused("format-allowed")` or `RegistryError`."""
        found = metafile.processors[processor]
        if found.io in pickles.READERS:
            pickles.require_allowed(trust, found.io)
            pickles.needed("sklearn", EXTRA)
            return pickles.load(found.io, metafile, files, trust)
        if found.io == SKOPS:
            return _load_skops(metafile, only_file(files, "data").read(), trust)
        raise unknown_io(found, (SKOPS, *pickles.READERS))

    def accepts(self, model: object) -> bool:
        """Whether a class of the model comes from scikit-learn and it predicts or transforms."""
        own = any(each.__module__.partition(".")[0] == "sklearn" for each in type(model).__mro__)
        return own and not isinstance(model, type) and any(hasattr(model, name) for name in ("predict", "transform"))

    def save(self, model: object, sample_data: object, format: str | None) -> Saved:
        """The estimator's bytes, its methods as MLEM infers them from `sample_data`, and what it needs."""
        from registry.formats import estimator, requirements

        if format not in _WRITTEN:
            raise RegistryError(f"unknown format {format!r}", "", "use skops (the default), pickle or joblib")
        kind = _WRITTEN[format]
        interface = estimator.interface(model, sample_data)
        data, modules, untrusted = _dump(model, kind)
        needs, local = requirements.collect(modules | requirements.of_interface(interface))
        processor = Processor(estimator.model_type(model), kind, interface)
        return Saved(processor, {"data": data}, needs, untrusted, local)


def _load_skops(metafile: Metafile, data: bytes, trust: Trust) -> object:
    skops = _skops()
    named = admitted_types(metafile, data, trust)
    try:
        return skops.loads(data, trusted=named)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"the model needs module {error.name!r}, which is not installed", "", install_line(metafile)
        ) from error
    except Exception as error:
        raise _unreadable(error, metafile) from error


def admitted_types(metafile: Metafile, data: bytes, trust: Trust) -> list[str]:
    """The types in a skops file that skops does not trust by itself, each trusted here.

    Raises `Refused("format-allowed")` where one is not, `RegistryError` for bytes that are no such file.
    """
    try:
        named = _types_in(data, _skops())
    except RegistryError:
        raise
    except Exception as error:
        raise _unreadable(error, metafile) from error
    refused = trusted_types.untrusted(named, trust.skops_trusted)
    if refused:
        raise Refused(
            "format-allowed",
            f"the skops file needs types that are not trusted: {', '.join(refused)}",
            "",
            f"review them, then add them to {trusted_types.POLICY_KEY} in policy.yaml",
        )
    return named


_types: dict[bytes, list[str]] = {}
"""What skops said of the files that were asked about, by their bytes' SHA-256; the oldest go first."""
_KEPT = 256


def _types_in(data: bytes, skops: Any) -> list[str]:
    """The types in a file that skops itself does not trust.

    Asking costs as much as loading and depends on the bytes alone, so an answer is kept for bytes of the same SHA-256,
    taken from the very bytes that are then loaded; `loads` holds the file against the answer again.
    """
    key = hashlib.sha256(data).digest()
    if key not in _types:
        named = skops.get_untrusted_types(data=data)
        while len(_types) >= _KEPT:
            _types.pop(next(iter(_types)), None)
        _types[key] = named
    return _types[key]


def _unreadable(error: Exception, metafile: Metafile) -> RegistryError:
    kind = "no zip archive" if isinstance(error, zipfile.BadZipFile) else type(error).__name__
    return RegistryError(
        f"the artifact could not be read as skops: {kind}: {str(error)[:300]}",
        "",
        f"load with the versions it was saved with: {install_line(metafile)}",
    )


def _dump(model: object, kind: str) -> tuple[bytes, set[str], tuple[str, ...]]:
    """The bytes, the modules they need, and the types in a skops file that a loader would refuse."""
    if kind == SKOPS:
        skops = _skops()
        try:
            data = skops.dumps(model)
        except Exception as error:
            raise RegistryError(
                f"skops cannot store this model: {type(error).__name__}: {str(error)[:300]}",
                "",
                'save it with format="pickle"',
            ) from error
        named = skops.get_untrusted_types(data=data)
        nameless = [name for name in named if "<" in name]
        if nameless:
            raise RegistryError(
                f"skops cannot find these again: {', '.join(nameless)}",
                "",
                "define functions at the top of an importable module",
            )
        modules = {"skops", "sklearn", *(name.partition(".")[0] for name in named)}
        return data, modules, trusted_types.untrusted(named, ())
    return (*_pickled(model, kind), ())


def _pickled(model: object, kind: str) -> tuple[bytes, set[str]]:
    stream = io.BytesIO()
    recorder = pickles.Recorder(stream)
    try:
        recorder.dump(model)
    except Exception as error:
        raise RegistryError(
            f"pickle cannot store this model: {type(error).__name__}: {str(error)[:300]}",
            "",
            "keep functions and classes of the model in an importable module",
        ) from error
    if kind == "simple_pickle":
        return stream.getvalue(), recorder.modules | {"sklearn"}
    joined = io.BytesIO()
    pickles.needed("joblib", EXTRA).dump(model, joined)
    return joined.getvalue(), recorder.modules | {"joblib", "sklearn"}


def _skops() -> Any:
    try:
        import sklearn  # noqa: F401 - skops without it says less
        import skops.io
    except ImportError as error:
        raise pickles.missing(error, EXTRA) from error
    return skops.io
