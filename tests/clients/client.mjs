// Posts a client_id with Node's fetch, and prints the answer or the error with its causes.
try {
  const answer = await fetch(process.argv[2], { method: "POST", body: new URLSearchParams({ client_id: "billing" }) });
  console.log(answer.status, await answer.text());
} catch (error) {
  const causes = [];
  for (let cause = error; cause; cause = cause.cause) causes.push(`${cause.name}: ${cause.code ?? ""} ${cause.message}`);
  console.log(causes.join(" <- "));
}
