"""Stores what happened since a time, and ends: python replay.py TIME DATABASE"""
import asyncio
import os
import sqlite3
import sys
from datetime import datetime, timedelta, timezone

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def main(time, database):
    since = datetime.fromisoformat(time)  # with its offset; Python 3.11 or newer
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY, body TEXT)")
    (position,) = db.execute("SELECT coalesce(max(position), 0) FROM messages").fetchone()
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    js = nc.jetstream()
    end = (await js.stream_info("AICC_EVENTS")).state.last_seq
    if position > 0:  # it goes on
        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=position + 1)
    else:  # the server knows when it stored a message, by its own clock
        stored = (since - timedelta(minutes=1)).astimezone(timezone.utc)
        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=stored.isoformat())
    reader = await js.subscribe("aicc.v1.*.agent.>", stream="AICC_EVENTS", ordered_consumer=True, config=config)
    while position < end:
        m = await reader.next_msg(timeout=None)
        position = m.metadata.sequence.stream
        if position <= end and datetime.fromisoformat(m.headers["ce-time"]) >= since:
            with db:  # effect and position in one; what is there is left alone
                db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?)", (position, m.data.decode()))
    await nc.close()


asyncio.run(main(*sys.argv[1:]))
