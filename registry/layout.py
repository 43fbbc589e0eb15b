"""Where the files of a model lie: beside its metafile and below, or behind a URL. Pure."""

from __future__ import annotations

import posixpath

from registry.containment import contained, contained_url
from registry.errors import Refused
from registry.metafile import FSSPEC, ArtifactRef, Metafile


def artifact_paths(metafile: Metafile, metafile_path: str) -> dict[str, str]:
    """Path in the repository of each artifact, or the URL of one of type `fsspec`, as it stands.

    `uri` is relative to the folder of `metafile_path`. Raises `Refused("path-contained")` for whatever does not name a
    file inside that folder, and for a URL that is more than a place: see `registry.containment`.
    """
    folder = posixpath.dirname(contained(metafile_path, "the metafile's own path", metafile_path))
    return {name: _place(name, ref, folder, metafile_path) for name, ref in metafile.artifacts.items()}


def _place(name: str, ref: ArtifactRef, folder: str, where: str) -> str:
    what = f"uri of artifact {name!r}"
    if ref.type != FSSPEC:
        return posixpath.join(folder, contained(ref.uri, what, where))
    if ref.extra:
        raise Refused(
            "path-contained",
            f"artifact {name!r} names more than a URL: {', '.join(sorted(ref.extra))[:200]}",
            where,
            "leave it out: endpoints, options and credentials come from each user's own environment",
        )
    return contained_url(ref.uri, what, where)


def laid_out_paths(metafile: Metafile, metafile_path: str) -> dict[str, str]:
    """Where the files of a model lie in a folder: as in its source, what a URL names under the artifact's own name.

    Raises `Refused("path-contained")` where such a name is none of a file, or is taken.
    """
    paths = artifact_paths(metafile, metafile_path)
    folder = posixpath.dirname(metafile_path)
    urls = [name for name, ref in metafile.artifacts.items() if ref.type == FSSPEC]
    taken = {posixpath.normpath(metafile_path), *(path for name, path in paths.items() if name not in urls)}
    for name in urls:
        paths[name] = posixpath.join(folder, contained(name, "the name of an artifact", metafile_path))
        if paths[name] in taken:
            raise Refused(
                "path-contained", f"artifact {name!r} has the name of another file", metafile_path, "rename it"
            )
        taken.add(paths[name])
    return paths
