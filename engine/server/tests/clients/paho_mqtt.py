"""Publishes one message of each QoS to itself and prints what arrives: paho_mqtt.py OPTIONS-AS-JSON."""

import json
import ssl
import sys
import threading

import paho.mqtt.client as mqtt

options = json.loads(sys.argv[1])
version = {5: mqtt.MQTTv5, 4: mqtt.MQTTv311}[options["version"]]
client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id="paho",
    protocol=version,
    transport="websockets" if options["websocket"] else "tcp",
)
if options["ca"]:
    client.tls_set(options["ca"], options["certificate"], options["key"], cert_reqs=ssl.CERT_REQUIRED)
if options["user_name"]:
    client.username_pw_set(options["user_name"], options["password"])

done = threading.Event()
arrived = []


def on_connect(client, _userdata, _flags, reason, _properties):
    if reason.is_failure:
        print(f"refused: {reason}", flush=True)
        done.set()
    else:
        client.subscribe("clients/#", qos=2)


def on_subscribe(client, _userdata, _id, _reasons, _properties):
    for qos in range(3):
        client.publish("clients/paho", f"message of QoS {qos}", qos=qos)


def on_message(client, _userdata, message):
    arrived.append(message)
    print(message.topic, message.payload.decode(), message.qos, flush=True)
    if len(arrived) == 3:
        client.disconnect()


def on_disconnect(_client, _userdata, _flags, _reason, _properties):
    if len(arrived) == 3:
        done.set()


client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.on_disconnect = on_disconnect
client.connect("localhost", options["port"])
client.loop_start()
if not done.wait(20):
    sys.exit("nothing more arrives")
