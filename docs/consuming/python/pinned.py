"""Counts events; several share one consumer, one message at a time: python pinned.py DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig


async def main(database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER)")
    db.execute("CREATE TABLE IF NOT EXISTS counts (type TEXT PRIMARY KEY, n INTEGER)")
    with db:
        db.execute("INSERT OR IGNORE INTO position VALUES (1, 0)")
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    # nats-py knows no priority groups: nobody is pinned, but the next message is only given out
    # when this one is acknowledged, so that one at a time works, in order.
    config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=5, max_ack_pending=1)
    reader = await nc.jetstream().pull_subscribe("aicc.v1.*.agent.>", durable="one_at_a_time", stream="AICC_EVENTS", config=config)
    while True:
        try:
            (m,) = await reader.fetch(1, timeout=2)
        except nats.errors.TimeoutError:
            continue
        position = m.metadata.sequence.stream
        with db:
            # else it was counted, by whoever died before the ack
            if db.execute("UPDATE position SET last = ? WHERE last < ?", (position, position)).rowcount:
                count = "INSERT INTO counts VALUES (?, 1) ON CONFLICT (type) DO UPDATE SET n = n + 1"
                db.execute(count, (m.headers["ce-type"],))
        await m.ack_sync()


asyncio.run(main(*sys.argv[1:]))
