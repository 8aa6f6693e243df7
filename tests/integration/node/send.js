// Sends events with the unmodified @fluent-org/logger. One argument: JSON with
// {mode, count, host, port, ack, sharedKey, ca, prefix, withId}. Prints one JSON line at the end.
const fs = require("fs");
const {FluentClient, EventTime} = require(process.env.REAL_CLIENTS + "/@fluent-org/logger");

const wish = JSON.parse(process.argv[2]);
const client = new FluentClient("node.test", {
  eventMode: wish.mode,
  ack: wish.ack ? {ackTimeout: wish.ack} : undefined,
  eventRetry: wish.ack ? {attempts: 50, minDelay: 20, maxDelay: 200} : undefined,
  flushInterval: wish.flushInterval || 0,
  socket: {
    host: wish.host,
    port: wish.port,
    timeout: 10000,
    reconnect: {delay: 20, maxDelay: 200},
    tls: wish.ca ? {ca: fs.readFileSync(wish.ca), servername: "localhost"} : undefined,
  },
  security: wish.sharedKey
    ? {clientHostname: "node-client", sharedKey: wish.sharedKey}
    : undefined,
});

async function main() {
  client.socketOn("error", () => {});
  const sent = [];
  for (let i = 0; i < wish.count; i++) {
    const record = {user: `${wish.prefix}${i % 7}`, event: "view", props: {n: i, price: 1.5}};
    if (wish.withId) record.id = `${wish.prefix}-${i}`;
    const time = i % 2 ? EventTime.now() : Math.floor(Date.now() / 1000);
    sent.push(client.emit("label", record, time));
  }
  const outcomes = await Promise.allSettled(sent);
  await client.shutdown();
  const failed = outcomes.filter(one => one.status === "rejected");
  console.log(JSON.stringify({
    sent: outcomes.length - failed.length,
    errors: [...new Set(failed.map(one => String(one.reason)))],
  }));
}

const giveUp = setTimeout(() => {
  console.log(JSON.stringify({sent: 0, errors: ["the client did not end"]}));
  process.exit(1);
}, 30000);
main().then(() => clearTimeout(giveUp), error => {
  console.log(JSON.stringify({sent: 0, errors: [String(error)]}));
  process.exit(1);
});
