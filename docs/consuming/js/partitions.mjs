// Reads one of four parts of the agents, each agent in order: node partitions.mjs PART FILE
import { appendFileSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [part, path] = process.argv.slice(2);
const file = openSync(path, "as+"); // each write is on the disk when it returns
const text = readFileSync(path);
const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
ftruncateSync(file, whole.length); // what a crash has cut off
const last = whole.toString().trimEnd().split("\n").at(-1);
const position = last ? JSON.parse(last).position : 0;

const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
// The stream has every event once more, below the number of its agent's part. It is made once, by
// whoever may; another number of parts is another stream.
const transform = { src: "aicc.v1.*.agent.*.>", dest: "part.{{partition(4,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>" }; // by tenant and agent
await (await jetstreamManager(nc)).streams.add({ name: "EVENTS_BY_AGENT", sources: [{ name: "AICC_EVENTS", subject_transforms: [transform] }] });
const reader = await jetstream(nc).consumers.get("EVENTS_BY_AGENT", {
  filter_subjects: `part.${part}.>`,
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: position + 1,
});
for await (const m of await reader.consume()) {
  appendFileSync(file, `{"position":${m.seq},"message":${m.string()}}\n`); // effect and position in one write
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
