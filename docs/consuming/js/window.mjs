// Has a file for each complete window: node window.mjs TENANT KIND FOLDER
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DeliverPolicy, jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [tenant, kind, folder] = process.argv.slice(2);
let last = 0;
for (const name of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  last = Math.max(last, JSON.parse(readFileSync(join(folder, name))).marker);
}

const { host, username, password } = new URL(process.env.NATS_URL);
const js = jetstream(await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 }));
const markers = await js.consumers.get("AICC_ROWS", {
  filter_subjects: `aicc.v1.${tenant}.row.${kind}.*`,
  headers_only: true, // rows pass by without their bodies
  deliver_policy: DeliverPolicy.StartSequence,
  opt_start_seq: last + 1,
});
for await (const m of await markers.consume({ max_messages: 50 })) {
  if (m.headers.get("ce-type") !== "aicc.v1.window_complete") continue;
  const name = join(folder, m.subject.split(".").at(-1) + ".json");
  writeFileSync(name + ".new", `{"marker":${m.seq},"rows":[${await rows(m.subject, m.seq)}]}`, { flush: true });
  renameSync(name + ".new", name); // rows and position in one, in place of what an earlier extract had
}
throw new Error("the reader has ended"); // whatever runs it starts it again, and it goes on

// rows are those of a window up to its marker, of each key those of the newest revision.
async function rows(subject, marker) {
  const newest = new Map();
  const reader = await js.consumers.get("AICC_ROWS", { filter_subjects: subject });
  for await (const m of await reader.consume()) {
    const [key, revision] = m.headers.get("aicc-row").split(".");
    if (revision) {
      const before = newest.get(key); // of an earlier revision it is replaced
      newest.set(key, { revision, rows: before?.revision === revision ? [...before.rows, m.string()] : [m.string()] });
    }
    if (m.seq >= marker) break;
  }
  await reader.delete(); // a stream bears 1,000 consumers
  return [...newest.values()].flatMap((of) => of.rows);
}
