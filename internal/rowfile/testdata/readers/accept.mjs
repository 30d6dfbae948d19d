// Compiles every JSON Schema of a folder in ajv's strict mode, with formats asserted, and
// has the messages of <folder>/<schema>.jsonl validated, a line each. Prints how many
// schemas were compiled, how many messages of each were accepted, and why others were not.
//
//   node accept.mjs <folder of schemas> <folder of messages>
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

const [schemas, messages] = process.argv.slice(2);
const said = { compiled: 0, accepted: {}, refused: [] };
for (const file of readdirSync(schemas)) {
  const name = basename(file, ".json");
  const ajv = new Ajv.default({ strict: true, allErrors: true });
  formats.default(ajv);
  let validate;
  try {
    validate = ajv.compile(JSON.parse(readFileSync(join(schemas, file), "utf8")));
  } catch (e) {
    said.refused.push(`${file}: ${e.message}`);
    continue;
  }
  said.compiled++;
  const path = join(messages, `${name}.jsonl`);
  if (!existsSync(path)) continue;
  said.accepted[name] = 0;
  for (const [i, line] of readFileSync(path, "utf8").trimEnd().split("\n").entries()) {
    if (validate(JSON.parse(line))) said.accepted[name]++;
    else said.refused.push(`${name}, line ${i + 1}: ${ajv.errorsText(validate.errors)}`);
  }
}
console.log(JSON.stringify(said));
