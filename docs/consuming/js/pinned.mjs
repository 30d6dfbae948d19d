// Counts events; of several started, one reads, and another follows it: node pinned.mjs FILE
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";

const [file] = process.argv.slice(2);
const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
await (await jetstreamManager(nc)).consumers.add("AICC_EVENTS", {
  durable_name: "pinned",
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(5_000),
  max_ack_pending: 1, // the next one only after this one: order outlasts a failover
  priority_policy: "pinned_client",
  priority_groups: ["readers"],
  priority_timeout: nanos(5_000), // after so long without a request another one is pinned
});
const reader = await jetstream(nc).consumers.get("AICC_EVENTS", "pinned");
for await (const m of await reader.consume({ group: "readers", max_messages: 1, expires: 2_000 })) {
  // effect and position, in one file that all share
  const counts = existsSync(file) ? JSON.parse(readFileSync(file)) : { position: 0, types: {} };
  if (m.seq > counts.position) { // else it was counted, by whoever died before the ack
    const type = m.headers.get("ce-type");
    counts.position = m.seq;
    counts.types[type] = (counts.types[type] ?? 0) + 1;
    writeFileSync(file + ".new", JSON.stringify(counts), { flush: true });
    renameSync(file + ".new", file);
  }
  await m.ackAck();
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
