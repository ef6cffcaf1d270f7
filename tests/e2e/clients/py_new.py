"""A client on the Python SDK of both eras (PyPI `mcp` 2.3.0): does one job read from stdin, prints what it saw.

The job names a `url` with a `token`, or a `command`, and the calls to make. Must never judge: it only reports.
"""

import asyncio
import json
import sys

from answers import Answers
from asks import one_ask, plain
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.exceptions import MCPError

MODES = {"legacy": "legacy", "auto": "auto", "modern": "2026-07-28"}


def target(job):
    if "command" in job:
        command, *arguments = job["command"]
        return StdioServerParameters(command=command, args=arguments, env=job.get("env"), cwd=job.get("cwd"))
    headers = {"Authorization": f"Bearer {job['token']}"} if job.get("token") else None
    return streamable_http_client(job["url"], http_client=create_mcp_http_client(headers=headers))


async def one_call(client, call):
    try:
        return {"result": plain(await client.call_tool(call["name"], call["arguments"]))}
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def main(job):
    answers = Answers(job)
    heard = {**answers.callbacks(), **({"log_level": job["log"]} if answers.hears else {})}
    async with Client(target(job), mode=MODES[job["mode"]], cache=None, **heard) as client:
        if answers.hears and client.protocol_version != MODES["modern"]:
            await client.set_logging_level(job["log"])
        tools, cursor = [], None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += [plain(tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        calls = [await one_call(client, call) for call in job["calls"]]
        asks = [await one_ask(client, ask, MCPError) for ask in job.get("asks", [])]
        offers = sorted(plain(client.server_capabilities))
        seen = {"protocol": client.protocol_version, "tools": tools, "calls": calls, "asks": asks, "offers": offers}
        print(json.dumps({**seen, "asked": answers.asked, "logs": answers.logs}))


asyncio.run(main(json.load(sys.stdin)))
