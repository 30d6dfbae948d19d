// Keeps a file with the state of every agent: node state.mjs TENANT FILE
import { renameSync, writeFileSync } from "node:fs";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";

const [tenant, file] = process.argv.slice(2);
const { host, username, password } = new URL(process.env.NATS_URL);
const nc = await connect({ servers: host, user: username, pass: password, maxReconnectAttempts: -1 });
const bucket = await new Kvm(nc).open("AICC_STATE");
const agents = {}; // from nothing: who is gone is not told
for await (const entry of await bucket.watch({ key: `${tenant}.*` })) {
  if (entry.operation === "PUT") agents[entry.key] = entry.json();
  else delete agents[entry.key];
  if (!entry.isUpdate && entry.delta > 0) continue; // more of what is there is to come
  writeFileSync(file + ".new", JSON.stringify(agents), { flush: true });
  renameSync(file + ".new", file);
}
throw new Error("the watch has ended"); // whatever runs it starts it again
