"""Has the rows of the newest revision of each key: python revisions.py TENANT KIND DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def main(tenant, kind, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS rows (position INTEGER PRIMARY KEY, subject TEXT, key TEXT, revision INTEGER, body TEXT)")
    db.execute("CREATE INDEX IF NOT EXISTS keys ON rows (subject, key)")
    (position,) = db.execute("SELECT coalesce(max(position), 0) FROM rows").fetchone()
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    reader = await nc.jetstream().subscribe(
        f"aicc.v1.{tenant}.row.{kind}.*",
        stream="AICC_ROWS",
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=position + 1),
    )
    async for m in reader.messages:
        header = m.headers.get("aicc-row", "").split(".")  # key, revision, extract
        if len(header) < 3:
            continue  # a marker
        key, revision = header[0], int(header[1])
        with db:  # the next revision of a key is of all its rows
            db.execute("DELETE FROM rows WHERE subject = ? AND key = ? AND revision < ?", (m.subject, key, revision))
            db.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", (m.metadata.sequence.stream, m.subject, key, revision, m.data.decode()))


asyncio.run(main(*sys.argv[1:]))
