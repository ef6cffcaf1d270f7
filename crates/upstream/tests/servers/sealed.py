"""Says what it was started with: its second argument and a variable."""
import os
import sys

from base import Server, tool


class Sealed(Server):
    tools = [tool("echo")]

    def call(self, id, name, arguments, params):
        if arguments["text"] == "argument":
            self.text(id, "log in with " + sys.argv[1].split("=")[1])
        elif arguments["text"] == "variable":
            self.text(id, os.environ["DSN"].split(":")[2].split("@")[0])
        else:
            known = sys.argv[1] == "--key=" + os.environ["EXPECTED"][::-1]
            self.text(id, "as expected" if known else "something else")


Sealed().run()
