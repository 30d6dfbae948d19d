"""An agents' client with the habits of the vendor's own server demo.

usage: agentclient.py URL CA_FILE SECONDS HEARTBEAT_SECONDS < agents

The agents come as a JSON list of objects with id, phone and password. What came
of each is printed as one JSON object. Standard library only.

The habits, each of which something in front of a gateway has broken before:

- names of headers are compared as they are spelt;
- the GUID is taken from answers to addresses with "login" in them, from no other,
  and is all that follows "JSESSIONID=";
- there is one cookie jar for all agents, and beside it a cookie header of its own
  which makes no sense;
- a GET whose connection breaks is sent again at once, up to three times;
- no time limit on any answer, and no pause after any poll, whatever it brought;
- a heartbeat by PUT, which is repeated without a pause when the answer has no result.
"""

import http.client
import json
import ssl
import sys
import threading
import time
import urllib.parse

PATIENCE = 200  # refused polls in a row: the demo would go on for ever


class Web:
    """What all agents share: the address and the cookie jar."""

    def __init__(self, url, ca_file):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.base = parts.hostname, parts.port, parts.path
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.jar, self.nonsense = {}, ""

    def keep(self, cookie):
        pair = cookie.split(";")[0]
        self.jar[pair.split("=")[0]] = pair
        self.nonsense = cookie.replace("=", "").replace(":", "")


class Line:
    """One connection of one agent."""

    def __init__(self, web):
        self.web, self.connection, self.resent = web, None, 0

    def call(self, method, path, guid=None, body=None):
        for left in (3, 2, 1, 0):
            try:
                return self.once(method, path, guid, body)
            except (OSError, http.client.HTTPException):
                self.connection = None
                if method != "GET" or not left:
                    raise
                self.resent += 1

    def once(self, method, path, guid, body):
        web = self.web
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(web.host, web.port, context=web.tls, timeout=None)
        c = self.connection
        c.putrequest(method, web.base + path)
        c.putheader("Content-Type", "application/json; charset=UTF-8")
        if guid is not None:
            c.putheader("guid", guid)
        if web.jar:
            c.putheader("Cookie", web.nonsense)
            c.putheader("Cookie", "; ".join(web.jar.values()))
        data = b"" if body is None else json.dumps(body).encode()
        if method != "GET":
            c.putheader("Content-Length", str(len(data)))
        c.endheaders(data or None)
        response = c.getresponse()
        return response.status, response.getheaders(), response.read()


class Agent:
    def __init__(self, web, settings):
        self.web, self.me, self.guid = web, settings, None
        self.line = Line(web)
        self.seen = {
            "calls": {}, "skills": None, "polls": {}, "events": [], "broken": 0, "resent": 0,
            "heartbeats": 0, "hasty_heartbeats": 0,
        }

    def call(self, method, path, body=None, line=None):
        status, headers, raw = (line or self.line).call(method, path, self.guid, body)
        for name, value in headers:
            if name == "Set-Cookie":
                self.web.keep(value)
            if name == "Set-GUID" and "login" in path:
                self.guid = value.replace("JSESSIONID=", "")
        if status != 200:
            return {"retcode": "HTTP %d" % status}
        return json.loads(raw)

    def note(self, name, answer):
        self.seen["calls"][name] = answer["retcode"]
        return answer.get("result")

    def sign_in(self):
        online = "/onlineagent/" + self.me["id"]
        self.note("forcelogin", self.call("PUT", online + "/forcelogin", {
            "password": self.me["password"], "phonenum": self.me["phone"], "autoanswer": True,
            "autoenteridle": "true", "releasephone": "true", "agenttype": 4, "status": "4",
            "ip": "127.0.0.1", "checkInWebm": False, "pushUrl": None, "signInMode": "1", "remember": [],
        }))
        for change in (
            "saybusy?reason=203&prolong=false", "cancelbusy", "rest/1/7", "cancelrest", "work", "cancelwork", "sayfree",
            "autoanswer/true",
        ):
            self.note(change, self.call("POST", online + "/" + change))
        self.note("resetskill", self.call("POST", online + "/resetskill/true?skillid=1;2&phonelinkage=0"))
        self.seen["skills"] = self.note("agentskills", self.call("GET", online + "/agentskills"))
        self.note("autoenteridle", self.call("POST", online + "/autoenteridle/true"))
        self.note("agentstatus", self.call("GET", online + "/agentstatus/"))

    def poll(self, until):
        refused = 0
        while time.monotonic() < until and refused < PATIENCE:
            try:
                answer = self.call("GET", "/agentevent/" + self.me["id"])
            except (OSError, http.client.HTTPException):
                self.seen["broken"] += 1
                continue
            code = answer["retcode"]
            self.seen["polls"][code] = self.seen["polls"].get(code, 0) + 1
            refused = 0 if code == "0" else refused + 1
            event = answer.get("event")
            if event:
                self.seen["events"].append(event["eventType"])
        self.seen["resent"] = self.line.resent

    def beat(self, every, stop):
        line, failed = Line(self.web), 0
        while not stop.is_set() and failed < 3:
            try:
                answer = self.call("PUT", "/onlineagent/" + self.me["id"] + "/heartbeat", line=line)
            except (OSError, http.client.HTTPException):
                failed += 1
                continue
            failed = 0
            if answer["retcode"] == "100-006":
                return
            self.seen["heartbeats"] += 1
            if answer["retcode"] == "0" and not (answer.get("result") or {}).get("loginTime"):
                self.seen["hasty_heartbeats"] += 1
                continue
            stop.wait(every)

    def sign_out(self):
        online = "/onlineagent/" + self.me["id"]
        if self.note("logout", self.call("DELETE", online + "/logout")) is None and self.seen["calls"]["logout"] == "100-010":
            self.note("logout", self.call("DELETE", online + "/forcelogout"))

    def work(self, until, every):
        stop = threading.Event()
        beats = threading.Thread(target=self.beat, args=(every, stop))
        beats.start()
        self.poll(until)
        stop.wait(max(0, until - time.monotonic()))
        stop.set()
        beats.join()
        self.sign_out()


def main(url, ca_file, seconds, every):
    web = Web(url, ca_file)
    agents = [Agent(web, settings) for settings in json.load(sys.stdin)]
    for a in agents:
        a.sign_in()
    until = time.monotonic() + float(seconds)
    threads = [threading.Thread(target=a.work, args=(until, float(every))) for a in agents]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(json.dumps({a.me["id"]: dict(a.seen, guid=a.guid is not None) for a in agents}))


if __name__ == "__main__":
    main(*sys.argv[1:])
