// Stores every event once, however often it comes: node dedupe.mjs FILE
import { appendFileSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";

const [path] = process.argv.slice(2);
const file = openSync(path, "as+"); // each write is on the disk when it returns
const text = readFileSync(path);
const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
ftruncateSync(file, whole.length); // what a crash has cut off
const seen = new Set(whole.toString().split("\n").filter(Boolean).map((line) => JSON.parse(line).id));

const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
await (await jetstreamManager(nc)).consumers.add("AICC_EVENTS", {
  durable_name: "dedupe",
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(5_000),
  max_ack_pending: 200,
});
const reader = await jetstream(nc).consumers.get("AICC_EVENTS", "dedupe");
for await (const m of await reader.consume({ max_messages: 100 })) {
  const id = m.headers.get("ce-source") + "#" + m.headers.get("ce-id");
  if (!seen.has(id)) {
    // effect and id in one write: in a database, one transaction in which the id is a primary key
    appendFileSync(file, `{"id":${JSON.stringify(id)},"message":${m.string()}}\n`);
    seen.add(id);
  }
  m.ack();
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
