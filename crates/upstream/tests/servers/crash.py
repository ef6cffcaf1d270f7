"""Dies in the middle of a call."""
import os

from base import Server, tool


class Crash(Server):
    tools = [tool("crash"), tool("echo")]

    def call(self, id, name, arguments, params):
        if name == "crash":
            os._exit(3)
        super().call(id, name, arguments, params)


Crash().run()
