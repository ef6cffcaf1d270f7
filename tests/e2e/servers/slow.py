"""A server whose one tool answers only when it is told to stop, and notes when that was. Standard library only.

`slow.py stdio|http:PORT --era legacy|modern --journal FILE`. A call is a line `{"begun": NAME}` in the journal; when it is
cancelled, or its connection is gone, a line `{"released": NAME, "at": SECONDS}` of the system's monotonic clock, which all
processes share. Listens on 127.0.0.1 only; must never end a call by itself before a minute is over.
"""

import argparse
import json
import pathlib
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODERN = "2026-07-28"
SECONDS_MAX = 60
TOOL = {"name": "wait", "description": "Waits until nobody wants its answer.", "annotations": {"readOnlyHint": True},
        "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}


class Server:
    """What both ways share."""

    def __init__(self, era, journal):
        self.modern = era == "modern"
        self.journal = open(journal, "ab", buffering=0)
        self.lock = threading.Lock()
        self.waiting = {}

    def note(self, **line):
        self.journal.write(json.dumps(line).encode() + b"\n")

    def begin(self, message):
        """A call begins; the event is set when it is cancelled."""
        stop = threading.Event()
        with self.lock:
            self.waiting[json.dumps(message["id"])] = (message["params"]["arguments"]["name"], stop)
        self.note(begun=message["params"]["arguments"]["name"])
        return stop

    def release(self, request_id):
        """Nobody waits for it any more; noted once."""
        at = time.monotonic()
        with self.lock:
            name, stop = self.waiting.pop(json.dumps(request_id), (None, None))
        if stop:
            self.note(released=name, at=at)
            stop.set()

    def answer(self, message):
        """The response to anything but a call; None when there is none."""
        method = message.get("method")
        if method == "notifications/cancelled":
            self.release(message["params"]["requestId"])
        if "id" not in message:
            return None
        found = {"initialize": self.hello, "server/discover": self.about, "tools/list": self.tools, "ping": dict}
        era = ("server/discover", "tools/list") if self.modern else ("initialize", "tools/list", "ping")
        if method not in era:
            return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "method not found"}}
        return {"jsonrpc": "2.0", "id": message["id"], "result": found[method]()}

    def hello(self):
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "slow", "version": "1"}}

    def about(self):
        return {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}}, "ttlMs": 0,
                "cacheScope": "private"}

    def tools(self):
        more = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if self.modern else {}
        return {"tools": [TOOL], **more}


def stdio(server):
    def write(message):
        with server.lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "tools/call":
            server.begin(message)
        elif answer := server.answer(message):
            write(answer)


def closed(connection):
    """Whether the other side is gone."""
    readable, _, _ = select.select([connection], [], [], 0.005)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)


def handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            modern = self.headers.get("MCP-Protocol-Version") == MODERN
            if modern != server.modern and message.get("method") != "initialize":
                self.send(400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "the other era"}})
            elif message.get("method") == "tools/call":
                self.wait(message)
            else:
                answer = server.answer(message)
                self.send(200 if answer else 202, answer)

        def wait(self, message):
            """The answer never comes: the stream is open until the call is cancelled or the connection is gone."""
            stop = server.begin(message)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            end = time.monotonic() + SECONDS_MAX
            while not stop.is_set() and time.monotonic() < end:
                if closed(self.connection):
                    server.release(message["id"])
            self.close_connection = True

        def do_GET(self):
            self.send(405, None)

        def do_DELETE(self):
            self.send(200, None)

        def send(self, status, message):
            body = json.dumps(message).encode() if message else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if message and "protocolVersion" in message.get("result", {}):
                self.send_header("Mcp-Session-Id", "slow-session")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass
    return Handler


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("how")
    options.add_argument("--era", choices=("legacy", "modern"), required=True)
    options.add_argument("--journal", type=pathlib.Path, required=True)
    options = options.parse_args()
    server = Server(options.era, options.journal)
    if options.how == "stdio":
        stdio(server)
        return
    listener = ThreadingHTTPServer(("127.0.0.1", int(options.how.partition(":")[2])), handler(server))
    listener.daemon_threads = True
    listener.serve_forever()


if __name__ == "__main__":
    main()
