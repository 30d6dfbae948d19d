"""Stores every event at least once, however long it was away: python catchup.py FILE"""
import asyncio
import json
import os
import sys

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig


async def main(file):
    out = open(file, "a")
    out.write("\n")  # ends a line that a crash has cut off: it comes again
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    config = ConsumerConfig(
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=5,  # longer than the effect of all that was fetched takes
        max_ack_pending=200,
    )
    # durable: the server remembers what has been acknowledged
    reader = await nc.jetstream().pull_subscribe("aicc.v1.*.agent.>", durable="catchup", stream="AICC_EVENTS", config=config)
    while True:
        try:
            messages = await reader.fetch(100, timeout=5)
        except nats.errors.TimeoutError:
            continue
        for m in messages:
            message_id = m.headers["ce-source"] + "#" + m.headers["ce-id"]  # by which a repetition is told
            out.write(json.dumps({"id": message_id, "message": json.loads(m.data)}) + "\n")
        out.flush()
        os.fsync(out.fileno())
        for m in messages:
            await m.ack()  # only now; if it gets lost the message comes again


asyncio.run(main(*sys.argv[1:]))
