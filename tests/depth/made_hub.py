"""A hub on this machine that holds one made-up repository, and fails as it is told to."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Answers as the hub does: about a repository, with small files, and with large ones by way of another host.

    `faults[path]` are answers to the next requests of a path, before the right one: a status, ("cut", bytes),
    ("other", content), "whole" for a server that knows no Range, or an event that ends a stall.
    """

    def __init__(self, repository, revision, files):
        self.repository, self.revision, self.commit = repository, revision, revision if len(revision) == 40 else COMMIT
        self.files, self.faults, self.asked, self.ends = dict(files), {}, [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.port = self.server.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def close(self):
        for end in self.ends:
            end.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def stall(self):
        self.ends.append(threading.Event())
        return self.ends[-1]

    def always(self, path, fault):
        self.faults[path] = [fault] * 100

    @property
    def about_path(self):
        return f"/api/models/{self.repository}/revision/{self.revision}"

    def path_of(self, name):
        return f"/{self.repository}/resolve/{self.commit}/{name}"

    def cdn(self, name):
        return f"/cdn/{hashlib.sha256(self.files[name]).hexdigest()}"

    def downloads(self, name="model.safetensors"):
        """The Range (or None) of each GET of a large file."""
        return [headers["Range"] for method, path, headers in self.asked if (method, path) == ("GET", self.cdn(name))]

    def about(self):
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": git_sha1(data)} for name, data in self.files.items()
        ]
        for sibling in siblings:
            if is_large(sibling["rfilename"]):
                sha256 = hashlib.sha256(self.files[sibling["rfilename"]]).hexdigest()
                sibling["lfs"] = {"size": sibling["size"], "sha256": sha256, "pointerSize": 130}
        return {"id": self.repository, "sha": self.commit, "siblings": siblings}

    def tree(self):
        rows = []
        for file in self.about()["siblings"]:
            row = {"type": "file", "path": file["rfilename"], "size": file["size"], "oid": file["blobId"]}
            rows.append(row | ({"lfs": file["lfs"] | {"oid": file["lfs"]["sha256"]}} if "lfs" in file else {}))
        return rows


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(name):
    return name.endswith((".safetensors", ".bin"))


def handler(hub):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = urlsplit(self.path).path
            hub.asked.append((self.command, path, self.headers))
            fault = hub.faults[path].pop(0) if hub.faults.get(path) else None
            if isinstance(fault, int):
                self.answer(fault, b"no")
            elif isinstance(fault, threading.Event):
                fault.wait()
            elif path == hub.about_path:
                self.answer(200, json.dumps(hub.about()).encode())
            elif path == f"/api/models/{hub.repository}/tree/{hub.commit}":
                self.answer(200, json.dumps(hub.tree()).encode())
            elif path.startswith(hub.path_of("")):
                self.resolve(path.removeprefix(hub.path_of("")))
            elif path.startswith("/cdn/"):
                self.large(next(data for name, data in hub.files.items() if hub.cdn(name) == path), fault)
            else:
                self.answer(404, b"no")

        do_HEAD = do_GET

        def resolve(self, name):
            data, commit = hub.files[name], {"X-Repo-Commit": hub.commit}
            if not is_large(name):
                return self.answer(200, data, {"ETag": f'"{git_sha1(data)}"', **commit})
            sha256 = hashlib.sha256(data).hexdigest()
            linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data)), **commit}
            self.answer(302, b"", {"Location": f"http://localhost:{hub.port}/cdn/{sha256}?signature=secret", **linked})

        def large(self, data, fault):
            first = self.headers["Range"] if fault != "whole" else None
            start = int(first.removeprefix("bytes=").removesuffix("-")) if first else 0
            kind, value = fault if isinstance(fault, tuple) else ("", None)
            sent = data[start:] if kind != "other" else value
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent[:value] if kind in ("cut", "hang") else sent)
            if kind == "hang":
                self.wfile.flush()
                hub.stall().wait()

        def answer(self, status, data, headers=()):
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def handle(self):
            with contextlib.suppress(ConnectionError):  # the client has gone
                super().handle()

        def log_message(self, format, *args):
            pass

    return Handler
