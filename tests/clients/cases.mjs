// The cases of a run: one line each, with the fields that clients.py writes. `each` prints for every request one line of JSON: what the
// client reports.
import { readFileSync } from "node:fs";

const NAMES = ["url", "ca", "certificate", "key", "host", "body", "slow", "times"];

export const read = (path) => readFileSync(path, "utf8");

/** An error with its causes. */
export function described(error) {
  const causes = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) causes.push(`${cause.name}: ${[cause.code, cause.message].filter(Boolean).join(" ")}`);
  return causes.join(" <- ");
}

/** A body whose second half comes too late. */
export async function* slowly(body) {
  yield Buffer.from(body.slice(0, body.length / 2));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  yield Buffer.from(body.slice(body.length / 2));
}

export async function each(report) {
  for (const line of read(process.argv[2]).split("\n").filter(Boolean)) {
    const fields = line.split("\t");
    const request = Object.fromEntries(NAMES.map((name, index) => [name, fields[index]]));
    for (let number = 0; number < Number(request.times); number++) {
      console.log(JSON.stringify(await report(request).catch(described)));
    }
  }
}
