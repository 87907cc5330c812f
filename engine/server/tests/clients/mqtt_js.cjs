// Publishes one message of each QoS to itself and prints what arrives: mqtt_js.cjs OPTIONS-AS-JSON.

const { readFileSync } = require("node:fs");
const mqtt = require("mqtt");

const options = JSON.parse(process.argv[2]);
const read = (path) => (path ? readFileSync(path) : undefined);
const scheme = options.websocket ? (options.ca ? "wss" : "ws") : options.ca ? "mqtts" : "mqtt";
const client = mqtt.connect(`${scheme}://localhost:${options.port}/mqtt`, {
  clientId: "mqtt-js",
  protocolVersion: options.version,
  reconnectPeriod: 0,
  ca: read(options.ca),
  cert: read(options.certificate),
  key: read(options.key),
  username: options.user_name ?? undefined,
  password: options.password ?? undefined,
});

setTimeout(() => {
  console.error("nothing more arrives");
  process.exit(1);
}, 20_000).unref();

let arrived = 0;
client.on("error", (error) => {
  console.log(`refused: ${error.message}`);
  client.end(true);
});
client.on("connect", () => {
  client.subscribe("clients/#", { qos: 2 }, () => {
    for (const qos of [0, 1, 2]) client.publish("clients/mqtt-js", `message of QoS ${qos}`, { qos });
  });
});
client.on("message", (topic, payload, packet) => {
  console.log(`${topic} ${payload} ${packet.qos}`);
  arrived += 1;
  if (arrived === 3) client.end();
});
