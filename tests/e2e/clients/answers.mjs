// What both clients on npm answer when a server asks, and what they heard meanwhile. Must never judge: it only reports.

const CAPABILITIES = { 'elicitation/create': 'elicitation', 'sampling/createMessage': 'sampling', 'roots/list': 'roots' };

export class Answers {
  constructor(job) {
    this.by = job.answers ?? {};
    this.asked = [];
    this.logs = [];
  }

  // A client can be asked only what it has an answer to.
  capabilities() {
    return Object.fromEntries(Object.keys(this.by).map((method) => [CAPABILITIES[method], {}]));
  }

  // `named` is what a client of these packages wants in place of the name of a method.
  listen(client, named = (method) => method) {
    for (const [method, result] of Object.entries(this.by)) {
      client.setRequestHandler(named(method), async (request) => {
        this.asked.push({ method, params: request.params ?? {} });
        return result;
      });
    }
    client.setNotificationHandler(named('notifications/message'), (message) => {
      this.logs.push(message.params);
    });
  }
}
