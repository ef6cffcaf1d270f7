"""What both clients on PyPI answer when a server asks, and what they heard meanwhile. Must never judge: it only reports."""

from mcp.types import CreateMessageResult, ElicitResult, ListRootsResult


class Answers:
    """The answers that a job names by method. A client can be asked only what it has an answer to."""

    def __init__(self, job):
        self.by = job.get("answers") or {}
        self.hears = "log" in job
        self.asked, self.logs = [], []

    def answer(self, method, params, result):
        self.asked.append({"method": method, "params": plain(params) if params else {}})
        return result.model_validate(self.by[method])

    def callbacks(self):
        """What a session is made with."""
        async def elicit(_context, params):
            return self.answer("elicitation/create", params, ElicitResult)

        async def sample(_context, params):
            return self.answer("sampling/createMessage", params, CreateMessageResult)

        async def roots(_context):
            return self.answer("roots/list", None, ListRootsResult)

        async def log(params):
            self.logs.append(plain(params))

        known = {"elicitation/create": ("elicitation_callback", elicit), "roots/list": ("list_roots_callback", roots),
                 "sampling/createMessage": ("sampling_callback", sample)}
        found = dict(known[method] for method in self.by)
        return {**found, "logging_callback": log} if self.hears else found


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
