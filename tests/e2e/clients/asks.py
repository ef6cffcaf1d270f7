"""What both clients on PyPI ask for beside tools. Must never judge: it only reports."""

from mcp.types import PromptReference, ResourceTemplateReference


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def one_ask(client, ask, refused, uri=str):
    """`refused` is what the client raises for an error, `uri` what it takes for an address."""
    params = ask["params"]
    by = {
        "resources/list": client.list_resources,
        "resources/templates/list": client.list_resource_templates,
        "resources/read": lambda: client.read_resource(uri(params["uri"])),
        "prompts/list": client.list_prompts,
        "prompts/get": lambda: client.get_prompt(params["name"], params.get("arguments")),
        "completion/complete": lambda: client.complete(
            reference(params["ref"]), params["argument"], params.get("context", {}).get("arguments")
        ),
    }
    try:
        return {"result": plain(await by[ask["method"]]())}
    except refused as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


def reference(ref):
    kind = PromptReference if ref["type"] == "ref/prompt" else ResourceTemplateReference
    return kind.model_validate(ref)
