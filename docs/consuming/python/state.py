"""Keeps a file with the state of every agent: python state.py TENANT FILE"""
import asyncio
import json
import os
import sys

import nats


async def main(tenant, file):
    nc = await nats.connect(os.environ["NATS_URL"], max_reconnect_attempts=-1)
    bucket = await nc.jetstream().key_value("AICC_STATE")
    agents, complete = {}, False  # from nothing: who is gone is not told
    watcher = await bucket.watch(f"{tenant}.*")
    while True:
        entry = await watcher.updates(timeout=None)
        if entry is None:  # all that was there has come; from here on it is what changes
            complete = True
        elif entry.operation in ("DEL", "PURGE"):
            agents.pop(entry.key, None)
        else:
            agents[entry.key] = json.loads(entry.value)
        if complete:
            with open(file + ".new", "w") as new:
                json.dump(agents, new)
            os.replace(file + ".new", file)


asyncio.run(main(*sys.argv[1:]))
