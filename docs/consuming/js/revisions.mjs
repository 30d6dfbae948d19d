// Has the rows of the newest revision of each key: node revisions.mjs TENANT KIND FILE
import { appendFileSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [tenant, kind, path] = process.argv.slice(2);
const file = openSync(path, "as+"); // each write is on the disk when it returns
const text = readFileSync(path);
const whole = text.subarray(0, text.lastIndexOf("\n") + 1);
ftruncateSync(file, whole.length); // what a crash has cut off
const newest = new Map(); // revisions by key; the lines of the highest one count
let position = 0;
for (const line of whole.toString().split("\n").filter(Boolean)) {
  const row = JSON.parse(line);
  newest.set(row.key, row.revision);
  position = row.position;
}

const { host, username, password } = new URL(process.env.NATS_URL);
const js = jetstream(await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 }));
const reader = await js.consumers.get("AICC_ROWS", {
  filter_subjects: `aicc.v1.${tenant}.row.${kind}.*`,
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: position + 1,
});
for await (const m of await reader.consume()) {
  const [natural, revision] = m.headers.get("aicc-row").split("."); // and the extract; a marker has none
  const key = `${m.subject} ${natural}`; // natural keys are those of a window
  if (!revision || Number(revision) < (newest.get(key) ?? 0)) continue; // several rows may have one
  appendFileSync(file, `{"position":${m.seq},"key":"${key}","revision":${revision},"row":${m.string()}}\n`);
  newest.set(key, Number(revision));
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on
