"""A modern upstream over streamable HTTP, on the Python SDK of both eras: `modern_http.py PORT`.

Listens on 127.0.0.1 only. What it answers depends on the arguments alone, so that two ways to it can be compared.
"""

import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import Completion, ToolAnnotations
from pydantic import BaseModel, Field

READ = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
server = MCPServer("callgate-modern", version="1.0", log_level="WARNING")


class Word(BaseModel):
    """One word and how long it is."""

    text: str = Field(description="the word itself")
    length: int


@server.tool(annotations=READ)
def add(a: int, b: int) -> int:
    """Adds two whole numbers."""
    return a + b


@server.tool(annotations=READ)
def words(text: str) -> list[Word]:
    """Splits a text into its words."""
    return [Word(text=word, length=len(word)) for word in text.split()]


@server.tool(annotations=READ, structured_output=False)
def shout(text: str, times: int = 1) -> str:
    """Repeats a text in capital letters. Ünïcödé ✓ stays what it is."""
    return " ".join([text.upper()] * times)


@server.tool(annotations=READ)
async def count(to: int, context: Context) -> str:
    """Counts and reports progress on the way."""
    for step in range(to):
        await context.report_progress(step + 1, to, f"at {step + 1}")
    return f"counted to {to}"


@server.tool(annotations=READ)
def fail(why: str) -> str:
    """Always fails, for the reason it is given."""
    raise ValueError(why)


@server.resource("note://today", mime_type="text/plain")
def today() -> str:
    """One note that is always there."""
    return "grüße ✓"


@server.resource("note://of/{name}")
def note(name: str) -> str:
    """A note by name."""
    return f"the note of {name}"


@server.prompt(title="Greet somebody")
def greet(name: str, how: str = "warmly") -> str:
    """Asks for a greeting."""
    return f"Greet {name} {how}."


@server.completion()
async def complete(ref, argument, context):
    """Completes `name` from what begins like it."""
    known = [name for name in ("ada", "alan", "grace") if name.startswith(argument.value)]
    return Completion(values=known, total=len(known), has_more=False)


server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
