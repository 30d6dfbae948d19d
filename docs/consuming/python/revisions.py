"""Has the newest revision of each row: python revisions.py TENANT KIND DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

UPSERT = """INSERT INTO rows VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject, key) DO UPDATE
SET revision = excluded.revision, body = excluded.body, position = excluded.position WHERE excluded.revision > revision"""


async def main(tenant, kind, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS rows (subject TEXT, key TEXT, revision INTEGER, body TEXT, position INTEGER, PRIMARY KEY (subject, key))")
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
        with db:
            db.execute(UPSERT, (m.subject, header[0], int(header[1]), m.data.decode(), m.metadata.sequence.stream))


asyncio.run(main(*sys.argv[1:]))
