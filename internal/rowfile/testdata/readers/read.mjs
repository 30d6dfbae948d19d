// Has DuckDB read a Parquet file, or all that a pattern matches. Prints the type of each
// column, and every row with texts as DuckDB casts them; times in UTC. With "filename" each row
// says where it is from.
//
//   node read.mjs <file or pattern> [filename]
import { DuckDBInstance } from "@duckdb/node-api";

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const [pattern, filename] = process.argv.slice(2);
const file = `read_parquet('${pattern.replaceAll("'", "''")}', filename = ${filename === "filename"})`;
const columns = (await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${file}`)).getRowObjectsJson();
const types = Object.fromEntries(columns.map((c) => [c.column_name, c.column_type]));
// A count of microseconds needs no time zone to be told.
const cells = columns.map(({ column_name: name, column_type: type }) =>
  type === "TIMESTAMP WITH TIME ZONE" ? `epoch_us("${name}") AS "${name}"` : `"${name}"`);
const rows = (await connection.runAndReadAll(`SELECT ${cells.join(", ")} FROM ${file}`)).getRowObjectsJson();
const maps = columns.filter((c) => c.column_type.startsWith("MAP")).map((c) => c.column_name);
for (const row of rows) {
  for (const name of maps) row[name] = Object.fromEntries(row[name].map(({ key, value }) => [key, value]));
}
console.log(JSON.stringify({ types, rows }));
connection.closeSync();
