// What both clients on npm ask for beside tools. Must never judge: it only reports.

export async function oneAsk(client, { method, params }) {
  const by = {
    'resources/list': () => client.listResources(params),
    'resources/templates/list': () => client.listResourceTemplates(params),
    'resources/read': () => client.readResource(params),
    'prompts/list': () => client.listPrompts(params),
    'prompts/get': () => client.getPrompt(params),
    'completion/complete': () => client.complete(params),
  };
  try {
    return { result: await by[method]() };
  } catch (error) {
    return { error: { code: error.code ?? null, message: error.message } };
  }
}
