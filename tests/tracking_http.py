"""A tracking server for tests that answers as MLflow 3.17 does, and on request as no honest one would.

`tests/test_mlflow_slow.py` holds the same story against a real server.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API = "/api/2.0/mlflow/"
PROXY = "/api/2.0/mlflow-artifacts/artifacts/"
RUN, OTHER_RUN = "1" * 32, "2" * 32
COMMIT = "c" * 40


class Tracking(ThreadingHTTPServer):
    """Runs, logged models, versions and aliases in memory; files by their place below `mlflow-artifacts:/`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.versions: dict[tuple[str, str], dict[str, Any]] = {}
        self.aliases: dict[tuple[str, str], str] = {}
        self.files: dict[str, bytes] = {}
        self.extra: list[dict[str, Any]] = []
        """Entries that every listing has as well."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.password = ""
        self.root = "mlflow-artifacts:/0"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def source(self) -> str:
        return f"mlflow+{self.url}"

    def run(self, run_id: str = RUN, commit: str | None = COMMIT, **said: float | str) -> None:
        """A finished run; numbers among `said` are its metrics, texts its parameters."""
        tags = {"mlflow.user": "dana", "mlflow.source.name": "train.py"} | (
            {"mlflow.source.git.commit": commit} if commit else {}
        )
        info = {"run_id": run_id, "artifact_uri": f"{self.root}/{run_id}/artifacts", "lifecycle_stage": "active"}
        info |= {
            "status": "FINISHED",
            "run_name": "first",
            "start_time": 1_700_000_000_000,
            "end_time": 1_700_000_060_000,
        }
        data: dict[str, Any] = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        for key, value in said.items():
            kind = "params" if isinstance(value, str) else "metrics"
            data.setdefault(kind, []).append({"key": key, "value": value})
        dataset = {"name": "sales", "digest": "1a2b3c4d", "source_type": "local", "source": "s3://u:pw@lake/sales.csv"}
        read = [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]
        self.runs[run_id] = {
            "info": info, "data": data, "inputs": {"dataset_inputs": read}, "outputs": {"model_outputs": []},
        }  # fmt: skip

    def log_model(self, name: str, files: dict[str, bytes], run_id: str = RUN) -> str:
        """As MLflow 3 does: a logged model, which the run names."""
        model_id = f"m-{len(self.models):032x}"
        uri = f"{self.root}/models/{model_id}/artifacts"
        self.models[model_id] = {
            "info": {"model_id": model_id, "name": name, "source_run_id": run_id, "artifact_uri": uri}
        }
        self.runs[run_id]["outputs"]["model_outputs"].append({"model_id": model_id, "step": 0})
        self.put(uri, files)
        return model_id

    def log_artifacts(self, path: str, files: dict[str, bytes], run_id: str = RUN) -> str:
        """As MLflow 2 did: files of the run itself."""
        uri = f"{self.runs[run_id]['info']['artifact_uri']}/{path}"
        self.put(uri, files)
        return uri

    def put(self, uri: str, files: dict[str, bytes]) -> None:
        self.files |= {f"{uri.removeprefix('mlflow-artifacts:/')}/{name}": data for name, data in files.items()}

    def register(self, name: str, version: str, source: str, run_id: str = RUN) -> None:
        said: dict[str, Any] = {"name": name, "version": version, "source": source, "run_id": run_id, "status": "READY"}
        said |= {"current_stage": "None", "user_id": "dana", "creation_timestamp": 1_700_000_000_000 + int(version)}
        self.versions[name, version] = said

    def place(self, name: str, version: str, stage: str, updated: int) -> None:
        """A legacy stage."""
        self.versions[name, version] |= {"current_stage": stage, "last_updated_timestamp": updated}

    def model(self, name: str) -> dict[str, Any] | None:
        """A registered model."""
        if not any(known == name for known, _ in self.versions):
            return None
        aliases = [
            {"alias": alias, "version": number} for (model, alias), number in self.aliases.items() if model == name
        ]
        return {"name": name, **({"aliases": aliases} if aliases else {})}


class Handler(BaseHTTPRequestHandler):
    server: Tracking
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.server.asked.append((self.path, dict(self.headers)))
        if self.server.password and self.headers.get("Authorization") != self.server.password:
            self.answer(401, {})
        elif parts.path.startswith(PROXY):
            self.artifact(unquote(parts.path[len(PROXY) :]))
        elif parts.path.startswith(API) and (found := self.found(parts.path[len(API) :], query)) is not None:
            self.answer(200, found)
        else:
            self.answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers)))
        if self.server.password and self.headers.get("Authorization") != self.server.password:
            self.answer(401, {})
        elif self.path == f"{API}registered-models/alias" and (said["name"], said["version"]) in self.server.versions:
            self.server.aliases[said["name"], said["alias"]] = said["version"]
            self.answer(200, {})
        else:
            self.answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})

    def found(self, endpoint: str, query: dict[str, str]) -> dict[str, Any] | None:
        server = self.server
        if endpoint == "runs/get" and query["run_id"] in server.runs:
            return {"run": server.runs[query["run_id"]]}
        if endpoint == "registered-models/alias" and (query["name"], query["alias"]) in server.aliases:
            number = server.aliases[query["name"], query["alias"]]
            return {"model_version": server.versions[query["name"], number]}
        if endpoint == "model-versions/get" and (query["name"], query["version"]) in server.versions:
            return {"model_version": server.versions[query["name"], query["version"]]}
        if endpoint == "registered-models/get" and (model := server.model(query["name"])):
            return {"registered_model": model}
        if endpoint == "registered-models/search":  # one a page, as any server may
            names = sorted({name for name, _ in server.versions})
            at = int(query.get("page_token", 0))
            more = {"next_page_token": str(at + 1)} if at + 1 < len(names) else {}
            return {"registered_models": [server.model(name) for name in names[at : at + 1]], **more}
        if endpoint == "model-versions/search":
            name = query["filter"].removeprefix("name=")[1:-1]
            return {"model_versions": [each for (known, _), each in reversed(server.versions.items()) if known == name]}
        if endpoint == "artifacts/list":
            return self.listing(f"{server.runs[query['run_id']]['info']['artifact_uri']}/", query.get("path", ""))
        if endpoint.startswith("logged-models/"):
            model_id, _, rest = endpoint.removeprefix("logged-models/").partition("/")
            if model_id in server.models:
                found = server.models[model_id]
                uri = f"{found['info']['artifact_uri']}/"
                return self.listing(uri, query.get("artifact_directory_path", "")) if rest else {"model": found}
        return None

    def listing(self, uri: str, folder: str) -> dict[str, Any]:
        base = uri.removeprefix("mlflow-artifacts:/")
        inside = f"{folder}/" if folder else ""
        files, folders = [], {}
        for name, data in sorted(self.server.files.items()):
            if name.startswith(base + inside):
                rest = name[len(base + inside) :]
                if "/" in rest:
                    folders[inside + rest.partition("/")[0]] = True
                else:
                    files.append({"path": inside + rest, "is_dir": False, "file_size": len(data)})
        found = [*files, *({"path": each, "is_dir": True} for each in folders), *self.server.extra]
        return {"root_uri": uri.rstrip("/"), **({"files": found} if found else {})}

    def artifact(self, path: str) -> None:
        data = self.server.files.get(path)
        if data is None:
            self.answer(404, {})
            return
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if "Range" in self.headers else 200)
        if "Range" in self.headers:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:])

    def answer(self, code: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextlib.contextmanager
def serve_tracking() -> Iterator[Tracking]:
    """A server with one run."""
    with Tracking() as server:
        server.run()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
