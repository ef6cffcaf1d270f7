"""An upstream that is well-behaved until a tool with another name is called. Standard library only.

`upstream.py stdio|http:PORT [--tools FILE] [--journal FILE] [--arrivals FILE] [--redirect URL]`. Speaks the revisions with sessions.
`--tools` holds the tool definitions; when the file changes, the change is announced. Each call that arrives is one
line in the journal, written before the call acts. `--arrivals` gets everything that arrives. Listens on 127.0.0.1 only.
"""

import argparse
import json
import os
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMES = ("echo", "slow", "hang", "crash", "flood", "garbage", "wrong_id", "twice", "not_a_result", "bad_content",
         "duplicate_keys", "deep", "error", "ask_client", "noisy", "status500", "redirect", "html", "endless", "mirrored")
MEBIBYTE = "x" * (1 << 20)


def definition(name):
    schema = {"type": "object", "properties": {"text": {"type": "string"}, "count": {"type": "integer"},
                                               "seconds": {"type": "number"}}, "additionalProperties": False}
    if name == "mirrored":
        schema["properties"]["text"]["x-mcp-header"] = "Text"
        schema["properties"]["count"]["x-mcp-header"] = "Count"
    return {"name": name, "description": f"Test tool {name}.", "inputSchema": schema,
            "annotations": {"readOnlyHint": True, "openWorldHint": False}}


class Journal:
    """One line for each call that arrived; survives whatever happens to the process next."""

    def __init__(self, path):
        self.file = open(path, "ab", buffering=0) if path else None

    def note(self, **line):
        if self.file:
            self.file.write(json.dumps(line).encode() + b"\n")


class Server:
    """What both transports share."""

    def __init__(self, options):
        self.tools_file, self.redirect = options.tools, options.redirect
        self.journal = Journal(options.journal)
        self.arrivals = Journal(options.arrivals)
        self.arrivals.note(argv=sys.argv, environment=dict(os.environ))
        self.cancelled = {}
        self.answers = {}
        self.ended = threading.Event()

    def tools(self):
        if self.tools_file:
            return json.loads(self.tools_file.read_text())
        return [definition(name) for name in NAMES]

    def answer(self, message, wire):
        """The response to one message, None when there is none; `wire` sends other things on the way."""
        method = message.get("method")
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            known = version if version in ("2025-03-26", "2025-06-18", "2025-11-25") else "2025-11-25"
            return result(message, {"protocolVersion": known, "capabilities": {"tools": {"listChanged": True}},
                                    "serverInfo": {"name": "upstream", "version": "1"}})
        if method == "ping":
            return result(message, {})
        if method == "tools/list":
            return result(message, {"tools": self.tools()})
        if method == "notifications/cancelled":
            self.journal.note(cancelled=message["params"]["requestId"])
            self.cancelled.setdefault(message["params"]["requestId"], threading.Event()).set()
            return None
        if method == "tools/call":
            params = message["params"]
            self.journal.note(call=params["name"], arguments=params.get("arguments", {}))
            return self.call(message, params["name"], params.get("arguments", {}), wire)
        if method is None:
            self.answers[message.get("id")] = message
            return None
        if "id" in message:
            return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "method not found"}}
        return None

    def call(self, message, name, arguments, wire):
        behaviour = getattr(self, f"tool_{name}", None)
        if behaviour:
            return behaviour(message, arguments, wire)
        return text(message, f"{name}: {arguments.get('text', '')}")

    def tool_slow(self, message, arguments, _wire):
        stop = self.cancelled.setdefault(message["id"], threading.Event())
        stop.wait(arguments.get("seconds", 1))
        return text(message, "cancelled" if stop.is_set() else "done")

    def tool_hang(self, _message, _arguments, _wire):
        self.ended.wait(60)

    def tool_crash(self, _message, _arguments, wire):
        print("Traceback: secret", os.environ.get("CANARY", ""), file=sys.stderr, flush=True)
        wire.crash()

    def tool_flood(self, message, arguments, wire):
        wire.flood(message, arguments.get("count", 64))

    def tool_garbage(self, _message, _arguments, wire):
        wire.raw(b"this is no JSON {{{\n")

    def tool_wrong_id(self, message, _arguments, wire):
        wire.send(text({"id": f"not-{message['id']}"}, "for somebody else"))

    def tool_twice(self, message, _arguments, wire):
        wire.send(text(message, "first"))
        return text(message, "second")

    def tool_not_a_result(self, message, _arguments, _wire):
        return {"jsonrpc": "2.0", "id": message["id"], "result": "just text"}

    def tool_bad_content(self, message, _arguments, _wire):
        return result(message, {"content": "not a list", "isError": "maybe"})

    def tool_duplicate_keys(self, message, _arguments, wire):
        wire.raw(b'{"jsonrpc":"2.0","id":%s,"result":{"content":[],"content":[{"type":"text","text":"b"}]}}\n'
                 % json.dumps(message["id"]).encode())

    def tool_deep(self, message, _arguments, wire):
        wire.raw(b'{"jsonrpc":"2.0","id":%s,"result":{"content":[],"structuredContent":%s%s}}\n'
                 % (json.dumps(message["id"]).encode(), b'{"a":' * 50000 + b"1", b"}" * 50000))

    def tool_error(self, message, _arguments, _wire):
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": 4711, "message": "out of paper", "data": [1]}}

    def tool_ask_client(self, message, _arguments, wire):
        wire.send({"jsonrpc": "2.0", "id": "ask-1", "method": "roots/list"})
        seen = wire.wait_answer("ask-1")
        return text(message, json.dumps(seen and seen.get("error", {}).get("code")))

    def tool_noisy(self, message, _arguments, _wire):
        print((os.environ.get("CANARY", "") + " noise\n") * 5000, file=sys.stderr, flush=True)
        return text(message, "quiet again")


def result(message, value):
    return {"jsonrpc": "2.0", "id": message["id"], "result": value}


def text(message, words):
    return result(message, {"content": [{"type": "text", "text": words}], "isError": False})


class Stdio:
    """One message per line."""

    def __init__(self, server):
        self.server, self.lock = server, threading.Lock()

    def raw(self, data):
        with self.lock:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def send(self, message):
        self.raw(json.dumps(message).encode() + b"\n")

    def crash(self):
        os._exit(3)

    def flood(self, message, mebibytes):
        with self.lock:
            sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"'
                                    % json.dumps(message["id"]).encode())
            for _ in range(mebibytes):
                sys.stdout.buffer.write(MEBIBYTE.encode())
            sys.stdout.buffer.write(b'"}]}}\n')
            sys.stdout.buffer.flush()

    def wait_answer(self, request_id):
        waited = threading.Event()
        for _ in range(200):
            if request_id in self.server.answers:
                return self.server.answers[request_id]
            waited.wait(0.01)
        return None

    def handle(self, message):
        answer = self.server.answer(message, self)
        if answer is not None:
            self.send(answer)

    def watch_tools(self):
        before = self.server.tools_file.read_bytes()
        while not self.server.ended.wait(0.05):
            now = self.server.tools_file.read_bytes()
            if now != before:
                before = now
                self.send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})

    def run(self):
        if self.server.tools_file:
            threading.Thread(target=self.watch_tools, daemon=True).start()
        for line in sys.stdin.buffer:
            self.server.arrivals.note(line=line.decode())
            message = json.loads(line)
            if message.get("method") == "tools/call":
                threading.Thread(target=self.handle, args=(message,), daemon=True).start()
            else:
                self.handle(message)
        self.server.ended.set()


class Http(BaseHTTPRequestHandler):
    """Streamable HTTP without a session id: each answer is one JSON body."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    server_state = None

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        self.plain(405, b"")

    do_DELETE = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server_state.arrivals.note(path=self.path, headers=str(self.headers), body=body.decode())
        message = json.loads(body)
        self.answered = False
        name = message.get("params", {}).get("name") if message.get("method") == "tools/call" else None
        odd = getattr(self, f"http_{name}", None)
        if odd:
            self.server_state.journal.note(call=name, arguments=message["params"].get("arguments", {}))
            odd()
            return
        answer = self.server_state.answer(message, self)
        if answer is not None:
            self.send(answer)
        elif not self.answered:
            self.plain(202, b"")

    def plain(self, status, body, kind="application/json", more=()):
        self.answered = True
        self.send_response(status)
        typed = [("Content-Type", kind)] if body else []
        for header in (*typed, ("Content-Length", str(len(body))), *more):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def raw(self, data):
        self.plain(200, data)

    def send(self, message):
        if not self.answered:
            self.plain(200, json.dumps(message).encode())

    def crash(self):
        self.answered = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"jsonrpc":"2.0",')
        self.wfile.flush()
        self.close_connection = True

    def chunks(self, kind, chunk, count):
        self.answered = True
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(count):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def flood(self, _message, mebibytes):
        self.chunks("application/json", MEBIBYTE.encode(), mebibytes)

    def wait_answer(self, _request_id):
        return None

    def http_status500(self):
        self.plain(500, f"internal: {os.environ.get('CANARY', '')}".encode(), "text/plain")

    def http_redirect(self):
        self.plain(307, b"", more=(("Location", self.server_state.redirect or "http://127.0.0.1:9/"),))

    def http_html(self):
        self.plain(200, b"<html>hello</html>", "text/html")

    def http_endless(self):
        """Comments for ever: alive, but never an answer."""
        self.answered = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while not self.server_state.ended.wait(0.05):
                self.wfile.write(b"3\r\n:\r\n\r\n")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("transport")
    options.add_argument("--tools", type=pathlib.Path)
    options.add_argument("--journal", type=pathlib.Path)
    options.add_argument("--arrivals", type=pathlib.Path)
    options.add_argument("--redirect")
    options = options.parse_args()
    server = Server(options)
    if options.transport == "stdio":
        Stdio(server).run()
    else:
        Http.server_state = server
        Listener(("127.0.0.1", int(options.transport.removeprefix("http:"))), Http).serve_forever()


if __name__ == "__main__":
    main()
