"""An OpenAI-compatible server for tests: ``python teacher_server.py PORT_FILE``. The model's name says how it behaves.

``good`` answers well; ``hold-N`` answers N requests and then none until ``POST /release``; the others misbehave.
``GET /log`` returns what was received and answered, as JSON.
"""

import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOCK, RELEASED = threading.Lock(), threading.Event()
LOG: list[dict[str, Any]] = []


def good(question: str) -> str:
    """The first product that is listed, and a reason that names the last purchase."""
    product = re.findall(r"^- (.+)$", question, re.MULTILINE)[0]
    bought = re.findall(r"I have bought (.+?)\.(?: I wrote|$)", question, re.MULTILINE)[-1]
    return f"Product: {product}\nReason: you have bought {bought}, and this goes with it."


TEXTS = {
    "html": lambda question: good(question).replace("you have", "<script>alert(1)</script> you have"),
    "echo": lambda question: f"{good(question).splitlines()[0]}\nReason: {question.splitlines()[-7]}",
    "chatty": lambda question: "Sure! I would buy the soap.",
    "unknown": lambda question: "Product: Flying carpet\nReason: you have bought rose soap 0.",
    "vague": lambda question: f"{good(question).splitlines()[0]}\nReason: you will certainly enjoy it very much.",
    "long": lambda question: good(question)[:-1] + " very" * 200 + ".",
}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(200, json.dumps(LOG).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/release":
            RELEASED.set()
            self._send(200, b"{}")
            return
        request = json.loads(body)
        model = request["model"]
        with LOCK:
            entry = {"key": hashlib.sha256(body).hexdigest(), "model": model, "answered": False,
                     "authorization": self.headers["Authorization"]}  # fmt: skip
            LOG.append(entry)
            before = sum(other["model"] == model for other in LOG) - 1
        if model.startswith("hold-") and before >= int(model.removeprefix("hold-")) and not RELEASED.is_set():
            RELEASED.wait(60)
            return  # the connection closes without an answer
        self._behave(model, request, before, entry)

    def _behave(self, model: str, request: dict[str, Any], before: int, entry: dict[str, Any]) -> None:
        question = request["messages"][-1]["content"]
        if model == "slow":
            time.sleep(3)
        elif model == "secret":
            key = self.headers["Authorization"].removeprefix("Bearer ")
            self._send(401, json.dumps({"error": {"message": f"wrong key {key}\x1b[2J\nnext line"}}).encode())
        elif model == "busy" and before % 2 == 0:
            self._send(503, b"<html>busy</html>")
        elif model == "not-json":
            self._send(200, b"<html>200</html>")
        elif model == "no-choices":
            self._send(200, b'{"choices": [{"message": "hi"}], "usage": []}')
        elif model == "huge":
            self._send(200, b'{"choices": [' + b" " * (3 << 20) + b"]}")
        else:
            text = TEXTS.get(model, good)(question)
            finish = "length" if model == "cut" else "stop"
            usage = {"prompt_tokens": 100, "completion_tokens": 20}
            content = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish}]}
            self._send(200, json.dumps({**content, "usage": usage}).encode())
            entry["answered"] = True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    temporary = Path(sys.argv[1] + ".tmp")
    temporary.write_text(str(server.server_address[1]))
    temporary.replace(sys.argv[1])
    server.serve_forever()
