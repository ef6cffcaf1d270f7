"""Asks its client during calls and besides, and logs; revision 2025-11-25."""
import json
import os
import sys

from base import Server, tool

FORM = {"message": "Name?", "requestedSchema": {"type": "object"}, "_meta": {"x": 1}}
NAMES = ["elicit", "later", "told", "flood", "leak", "withdraw", "log", "levels", "declared", "hang"]


class Asks(Server):
    tools = [tool(name) for name in NAMES]
    declared, open, heard, levels, block = None, None, [], [], None

    def initialize(self, id, params):
        self.declared = params["capabilities"]
        self.result(id, {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}, "logging": {}},
            "serverInfo": {"name": "asks", "version": "1"},
        })

    def write(self, message):
        """Kept while a block of messages is made, so that the reader has them all before it can send anything."""
        if self.block is None:
            super().write(message)
        else:
            self.block.append(json.dumps(message) + "\n")

    def end_block(self):
        sys.stdout.write("".join(self.block))
        sys.stdout.flush()
        self.block = None

    def ask(self, id, method="elicitation/create", params=FORM):
        self.write({"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def call(self, id, name, arguments, params):
        if name in ("elicit", "hang"):
            self.open = (id, name)
            self.ask("q")
        elif name == "later":
            self.block = []
            self.text(id, "done")
            self.ask("alone")
            self.end_block()
        elif name == "told":
            self.text(id, json.dumps(self.heard))
        elif name == "flood":
            self.block = []
            for count in range(18):
                self.ask(count, "roots/list", {})
            self.end_block()
        elif name == "leak":
            self.ask("q", params={**FORM, "message": os.environ["SECRET"]})
        elif name == "withdraw":
            self.open = (id, "elicit")
            self.ask("q")
            self.ask("r")
            self.notify("notifications/cancelled", {"requestId": "r"})
        elif name == "log":
            for level in ("debug", "warning", "alert"):
                self.notify("notifications/message", {"level": level, "logger": "l", "data": level})
            self.text(id, "done")
        elif name == "levels":
            self.text(id, json.dumps(self.levels))
        elif name == "declared":
            self.text(id, json.dumps(self.declared))

    def handle(self, message):
        if message.get("method") == "logging/setLevel":
            self.levels.append(message["params"]["level"])
            self.result(message["id"], {})
        else:
            super().handle(message)

    def other(self, message):
        if "id" not in message:
            return
        self.heard.append(message)
        if self.open and message["id"] == "q":
            id, name = self.open
            if name == "elicit":
                self.open = None
                self.text(id, json.dumps(message))


Asks().run()
