"""Floods stderr, its progress, one line, or the client with requests of its own."""
import sys

from base import Server, tool


class Flood(Server):
    tools = [tool("stderr"), tool("progress"), tool("line"), tool("echo")]

    def call(self, id, name, arguments, params):
        if name == "stderr":
            sys.stderr.write(("x" * 1023 + "\n") * 8192)
            sys.stderr.flush()
            self.text(id, "wrote")
        elif name == "progress":
            token = params["_meta"]["progressToken"]
            for step in range(5000):
                self.notify("notifications/progress", {"progressToken": token, "progress": step})
            self.text(id, "done")
        elif name == "line":
            self.text(id, "y" * int(arguments["text"]))
        else:
            super().call(id, name, arguments, params)


Flood().run()
