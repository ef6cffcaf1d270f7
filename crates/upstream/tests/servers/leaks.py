"""Says what its environment holds: in its tools, results, errors and progress."""
import base64
import json
import os

from base import Server, tool

SECRET = os.environ["TOKEN"]


class Leaks(Server):
    tools = [tool("echo"), tool("told", "Uses " + json.dumps({"token": SECRET})), tool(SECRET)]

    def call(self, id, name, arguments, params):
        how = arguments["text"]
        if how == "result":
            self.text(id, json.dumps({"env": {"TOKEN": SECRET}}))
        elif how == "base64":
            self.text(id, base64.b64encode(b"user:" + SECRET.encode()).decode())
        elif how == "key":
            self.result(id, {"content": [], "structuredContent": {SECRET: 1}})
        elif how == "error":
            self.error(id, -32000, "cannot log in with " + SECRET)
        elif how == "data":
            self.write({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "x", "data": dict(os.environ)}})
        elif how == "large":
            self.write({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "x", "data": "y" * (64 << 10)}})
        elif how == "progress":
            token = params["_meta"]["progressToken"]
            self.notify("notifications/progress", {"progressToken": token, "progress": 1, "message": SECRET})
        else:
            self.text(id, os.environ["PLAIN"] + os.environ["SHORT"])


Leaks().run()
