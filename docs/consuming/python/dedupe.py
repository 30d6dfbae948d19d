"""Stores every event once, however often it comes: python dedupe.py DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig


async def main(database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, body TEXT)")
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=5, max_ack_pending=200)
    reader = await nc.jetstream().pull_subscribe("aicc.v1.*.agent.>", durable="dedupe", stream="AICC_EVENTS", config=config)
    while True:
        try:
            messages = await reader.fetch(100, timeout=5)
        except nats.errors.TimeoutError:
            continue
        with db:  # the effect and the id in one transaction; what else the effect is stands here, too
            for m in messages:
                message_id = m.headers["ce-source"] + "#" + m.headers["ce-id"]
                db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?)", (message_id, m.data.decode()))
        for m in messages:
            await m.ack()


asyncio.run(main(*sys.argv[1:]))
