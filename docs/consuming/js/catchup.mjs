// Stores every event at least once, however long it was away: node catchup.mjs FILE
import { appendFileSync, openSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";

const [path] = process.argv.slice(2);
const file = openSync(path, "as"); // each write is on the disk when it returns
appendFileSync(file, "\n"); // ends a line that a crash has cut off: it comes again
const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
await (await jetstreamManager(nc)).consumers.add("AICC_EVENTS", {
  durable_name: "catchup", // the server remembers what has been acknowledged
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(5_000), // longer than the effect of all that was fetched takes
  max_ack_pending: 200,
});
const reader = await jetstream(nc).consumers.get("AICC_EVENTS", "catchup");
for await (const m of await reader.consume({ max_messages: 100 })) {
  const id = m.headers.get("ce-source") + "#" + m.headers.get("ce-id"); // by which a repetition is told
  try {
    appendFileSync(file, `{"id":${JSON.stringify(id)},"message":${m.string()}}\n`);
    m.ack(); // only now; if it gets lost the message comes again
  } catch (err) {
    console.error(err);
    m.nak(60_000); // not stored: once more, later
  }
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
