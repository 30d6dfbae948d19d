// A softphone's backend that hands its agents' sessions to the bridge:
//
//   NATS_URL=… GATEWAY_URL=… NODE_EXTRA_CA_CERTS=… node backend.mjs TENANT
//
// It reads commands, a line each, and writes one line for each that is done:
//
//   in AGENT PHONE PASSWORD   sign in at the gateway, hand the session over
//   busy AGENT                ask the gateway for a busy state, with the GUID as it is by now
//   back AGENT                take the session back; nobody polls it then
//   out AGENT                 sign out at the gateway, a session that was taken back, in a call as well
import { createInterface } from "node:readline";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const tenant = process.argv[2];
const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username || undefined, pass: password || undefined, maxReconnectAttempts: -1, inboxPrefix: "_INBOX_backend" });
const sessions = await new Kvm(jetstream(nc)).open("AICC_SESSIONS");
const now = new Map(); // by agent, as the bridge says
const back = new Map(); // taken back, to be signed out

// The newest GUID of each agent, for the calls that are not polls.
const changes = await sessions.watch({ key: `${tenant}.*` });
(async () => {
  for await (const change of changes) {
    now.set(change.key.slice(tenant.length + 1), change.operation === "PUT" ? change.json() : {});
  }
})();

const commands = {
  // The new session is handed over at once: the gateway ends one that nobody polls for two minutes.
  async in(agent, phone, secret) {
    const session = { handed_over_at: new Date().toISOString(), handed_over_by: "docs/handover/js", cookies: [] };
    await ask("PUT", `/onlineagent/${agent}`, session, { password: secret, phonenum: phone });
    await ask("POST", `/onlineagent/${agent}/resetskill/true`, session);
    // A plain put, and not a change of what is there: the newer session wins.
    await sessions.put(`${tenant}.${agent}`, JSON.stringify(session));
  },
  async busy(agent) {
    await ask("POST", `/onlineagent/${agent}/saybusy`, { ...now.get(agent) });
  },
  // It asks again until the bridge has stopped: a poll in flight takes up to ten seconds.
  async back(agent) {
    for (;;) {
      const answer = await nc.request("aicc.ask.handback", JSON.stringify({ tenant, agent }), { timeout: 60_000 });
      const code = answer.headers?.get("Nats-Service-Error-Code");
      if (code === "503") continue;
      if (code) throw new Error(answer.headers.get("Nats-Service-Error"));
      const session = answer.json();
      if (session.phase !== "returned") throw new Error(`the session is ${session.phase}: ${session.cause}`);
      back.set(agent, session);
      return;
    }
  },
  async out(agent) {
    if (!back.has(agent)) throw new Error("the bridge polls it: take it back first");
    await ask("DELETE", `/onlineagent/${agent}/forcelogout`, back.get(agent));
    await sessions.delete(`${tenant}.${agent}`);
  },
};

// ask asks the gateway with a session, which may change by the answer.
async function ask(method, path, session, body) {
  const headers = { "Content-Type": "application/json; charset=UTF-8" };
  if (session.guid) headers.Guid = session.guid;
  if (session.cookies?.length) headers.Cookie = session.cookies.join("; ");
  const answer = await fetch(process.env.GATEWAY_URL + path, { method, headers, body: body && JSON.stringify(body) });
  const guid = answer.headers.get("Set-GUID");
  if (guid) session.guid = guid.replace("JSESSIONID=", "");
  for (const cookie of answer.headers.getSetCookie()) {
    const name = cookie.slice(0, cookie.indexOf("=") + 1);
    session.cookies = [...(session.cookies ?? []).filter((old) => !old.startsWith(name)), cookie.split(";")[0]];
  }
  const said = await answer.json();
  if (String(said.retcode) !== "0") throw new Error(`${path} answers ${answer.status} ${said.retcode} ${said.message}`);
}

const doing = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.trim().split(/\s+/);
  const one = commands[command](...rest).then(() => "ok", (e) => e.message)
    .then((result) => console.log(command, rest[0], result)).finally(() => doing.delete(one));
  doing.add(one);
}
await Promise.all(doing);
await nc.close();
