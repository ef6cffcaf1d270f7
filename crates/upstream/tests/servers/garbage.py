"""Writes lines that are no messages, answers nobody asked for, and invalid UTF-8."""
import sys

from base import Server, tool


class Garbage(Server):
    tools = [tool("noise"), tool("stray"), tool("bytes"), tool("twice"), tool("echo")]

    def call(self, id, name, arguments, params):
        count = int(arguments["text"]) if name != "echo" else 0
        for _ in range(count):
            if name == "noise":
                sys.stdout.write("Loading model...\n")
            elif name == "stray":
                self.text(987654321, "not yours")
            elif name == "bytes":
                sys.stdout.flush()
                sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":1,"result":{"x":"\xff"}}\n')
                sys.stdout.buffer.flush()
            elif name == "twice":
                self.text(id, "first")
        self.text(id, "last")


Garbage().run()
