// Stores what happened since a time, and ends: node replay.mjs TIME FILE
import { appendFileSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const since = new Date(process.argv[2]), path = process.argv[3];
const file = openSync(path, "as+"); // each write is on the disk when it returns
const text = readFileSync(path);
const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
ftruncateSync(file, whole.length); // what a crash has cut off
const last = whole.toString().trimEnd().split("\n").at(-1);
const position = last ? JSON.parse(last).position : 0;

const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
const end = (await (await jetstreamManager(nc)).streams.info("AICC_EVENTS")).state.last_seq;
const from = position > 0 // it goes on
  ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: position + 1 }
  // the server knows when it stored a message, by its own clock
  : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(since - 60_000).toISOString() };
const reader = await jetstream(nc).consumers.get("AICC_EVENTS", from);
if (position < end) {
  for await (const m of await reader.consume()) {
    if (m.seq <= end && new Date(m.headers.get("ce-time")) >= since) {
      appendFileSync(file, `{"position":${m.seq},"message":${m.string()}}\n`); // effect and position in one write
    }
    if (m.seq >= end) break;
  }
}
await nc.close();
