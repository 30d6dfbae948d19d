"""Stores the messages of one agent in order: python agent.py TENANT AGENT DATABASE"""
import asyncio
import os
import re
import sqlite3
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


def token(text):
    """An id as subjects have it."""
    return re.sub(rb"[^a-z0-9_-]", lambda m: b"=%02x" % m[0][0], text.encode()).decode()


async def main(tenant, agent, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY, body TEXT)")
    (position,) = db.execute("SELECT coalesce(max(position), 0) FROM messages").fetchone()
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    reader = await nc.jetstream().subscribe(
        f"aicc.v1.{token(tenant)}.agent.{token(agent)}.>",
        stream="AICC_EVENTS",
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=position + 1),
    )
    async for m in reader.messages:
        with db:  # effect and position in one; what is there is left alone
            db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?)", (m.metadata.sequence.stream, m.data.decode()))


asyncio.run(main(*sys.argv[1:]))
