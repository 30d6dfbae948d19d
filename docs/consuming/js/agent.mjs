// Stores the messages of one agent in order: node agent.mjs TENANT AGENT FILE
import { appendFileSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [tenant, agent, path] = process.argv.slice(2);
const file = openSync(path, "as+"); // each write is on the disk when it returns
const text = readFileSync(path);
const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
ftruncateSync(file, whole.length); // what a crash has cut off
const last = whole.toString().trimEnd().split("\n").at(-1);
const position = last ? JSON.parse(last).position : 0;

// token is an id as subjects have it.
const token = (id) =>
  [...Buffer.from(id)].map((b) => /[a-z0-9_-]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : "=" + b.toString(16).padStart(2, "0")).join("");

const { host, username, password } = new URL(process.env.NATS_URL);
const js = jetstream(await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 }));
const reader = await js.consumers.get("AICC_EVENTS", { // an ordered consumer
  filter_subjects: `aicc.v1.${token(tenant)}.agent.${token(agent)}.>`,
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: position + 1,
});
for await (const m of await reader.consume()) {
  // effect and position in one write; the body as it came, since a parser may change numbers
  appendFileSync(file, `{"position":${m.seq},"message":${m.string()}}\n`);
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
