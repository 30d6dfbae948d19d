"""Reads one of four parts of the agents, each agent in order: python partitions.py PART DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy, StreamConfig, StreamSource, SubjectTransform

# Every event once more, below the number of its agent's part. Made once, by whoever may; another
# number of parts is another stream.
SPLIT = StreamConfig(
    name="EVENTS_BY_AGENT",
    sources=[
        StreamSource(
            name="AICC_EVENTS",
            subject_transforms=[SubjectTransform(src="aicc.v1.*.agent.*.>", dest="part.{{partition(4,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>")],
        )
    ],
)


async def main(part, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY, body TEXT)")
    (position,) = db.execute("SELECT coalesce(max(position), 0) FROM messages").fetchone()
    js = (await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)).jetstream()
    await js.add_stream(SPLIT)  # nothing, when it is there
    reader = await js.subscribe(
        f"part.{part}.>",
        stream="EVENTS_BY_AGENT",
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=position + 1),
    )
    async for m in reader.messages:
        with db:  # effect and position in one; what is there is left alone
            db.execute("INSERT OR IGNORE INTO messages VALUES (?, ?)", (m.metadata.sequence.stream, m.data.decode()))


asyncio.run(main(*sys.argv[1:]))
