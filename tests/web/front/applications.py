"""Applications that the front serves in tests: one that tells what it got, and one that the validator looks at."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

from flask import Flask, Response, jsonify, request

app = Flask(__name__)
MANY = 75_000_000
app.config["UPLOADS"] = {"/upload": MANY + 1000}


@app.route("/told", methods=["GET", "POST", "PUT", "DELETE"])
def told() -> Response:
    """What the application got of the request."""
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SERVER_PROTOCOL", "CONTENT_LENGTH")
    found = {name: request.environ.get(name) for name in names}
    headers = {name: value for name, value in request.environ.items() if name.startswith("HTTP_")}
    return jsonify(found | headers | {"body": request.get_data().decode("latin-1"), "scheme": request.scheme})


@app.post("/upload")
def upload() -> dict[str, Any]:
    request.max_content_length = MANY + 1000
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest(), "memory": _peak()}


@app.get("/large")
def large() -> Response:
    """A page of as many bytes as an export has, made piece by piece."""
    return Response((b"%07d\n" % (number % 10**7) * 1000 for number in range(MANY // 8000)), mimetype="text/plain")


@app.get("/wide")
def wide() -> str:
    return "x" * 2_000_000


@app.get("/memory")
def memory() -> str:
    return str(_peak())


@app.get("/slow")
def slow() -> str:
    time.sleep(float(request.args.get("seconds", 0.3)))
    return "slow"


@app.get("/drip")
def drip() -> Response:
    """Pieces with a pause between them; it notes how many were asked for."""

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            Path("dripped").write_text(str(number))
            yield b"x" * 100
            time.sleep(0.05)

    return Response(pieces())


@app.get("/broken")
def broken() -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"a part"
        raise RuntimeError("half-way")

    return Response(pieces())


def _peak() -> int:
    """The most memory of this process so far, in bytes."""
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


valid = validator(app.wsgi_app)
