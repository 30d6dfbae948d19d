"""Has the rows of each complete window: python window.py TENANT KIND DATABASE"""
import asyncio
import os
import sqlite3
import sys

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy


async def rows(js, subject, marker):
    """The rows of a window up to its marker, of each key those of the newest revision."""
    newest = {}
    reader = await js.subscribe(subject, stream="AICC_ROWS", ordered_consumer=True)
    async for m in reader.messages:
        header = m.headers.get("aicc-row", "").split(".")  # key, revision, extract
        if len(header) > 2:
            key, revision = header[:2]
            if newest.get(key, ("", []))[0] != revision:
                newest[key] = (revision, [])  # it takes the place of the one before
            newest[key][1].append(m.data.decode())
        if m.metadata.sequence.stream >= marker:
            break
    name = (await reader.consumer_info()).name
    await reader.unsubscribe()
    await js.delete_consumer("AICC_ROWS", name)  # a stream bears 1,000
    return newest


async def main(tenant, kind, database):
    db = sqlite3.connect(database)
    db.execute("CREATE TABLE IF NOT EXISTS windows (subject TEXT PRIMARY KEY, marker INTEGER)")
    db.execute("CREATE TABLE IF NOT EXISTS rows (subject TEXT, key TEXT, body TEXT)")
    (last,) = db.execute("SELECT coalesce(max(marker), 0) FROM windows").fetchone()
    js = (await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)).jetstream()
    markers = await js.subscribe(
        f"aicc.v1.{tenant}.row.{kind}.*",
        stream="AICC_ROWS",
        ordered_consumer=True,
        headers_only=True,  # rows pass by without their bodies
        config=ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=last + 1),
    )
    async for m in markers.messages:
        marker = m.metadata.sequence.stream
        if m.headers.get("ce-type") != "aicc.v1.window_complete" or marker <= last:
            continue
        newest = await rows(js, m.subject, marker)
        with db:  # in place of what an earlier extract had
            db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?)", (m.subject, marker))
            db.execute("DELETE FROM rows WHERE subject = ?", (m.subject,))
            db.executemany("INSERT INTO rows VALUES (?, ?, ?)", [(m.subject, key, body) for key, (_, bodies) in newest.items() for body in bodies])
        last = marker


asyncio.run(main(*sys.argv[1:]))
