"""A softphone that plays whole sessions, as an agent would click them.

usage: softphone.py URL CA_FILE < agents

The agents come as a JSON list of objects with id, phone and password; it needs six.
Printed is one JSON object: for each session the events that came and the calls that
were answered with something else than they should. Standard library only.
"""

import json
import sys
import threading
import time
import urllib.parse

from agentclient import Line, Web

PATIENCE = 10  # seconds for an event


class Softphone:
    def __init__(self, web, settings, **habits):
        self.web, self.me, self.guid = web, settings, None
        self.line, self.polls = Line(web), Line(web)
        self.events, self.at, self.wrong = [], 0, []
        self.news, self.over = threading.Condition(), False
        self.online = "/onlineagent/" + self.me["id"]
        self.want("0", "PUT", self.online + "/forcelogin/", dict({
            "password": self.me["password"], "phonenum": self.me["phone"], "autoanswer": "false", "autoenteridle": False,
            "releasephone": "true", "agenttype": 4, "status": "4", "ip": "127.0.0.1",
        }, **habits))
        self.poller = threading.Thread(target=self.poll, daemon=True)
        self.poller.start()

    def call(self, line, method, path, body=None):
        status, headers, raw = line.call(method, path, self.guid, body)
        for name, value in headers:
            if name == "Set-GUID":
                self.guid = value.replace("JSESSIONID=", "")
        return json.loads(raw) if status == 200 else {"retcode": "HTTP %d" % status}

    def want(self, code, method, path, body=None):
        """Makes a call that is to be answered with a code, and returns its result."""
        answer = self.call(self.line, method, path, body)
        if answer["retcode"] != code:
            self.wrong.append("%s %s: %s, not %s" % (method, path, answer, code))
        return answer.get("result")

    def voice(self, code, method, what, body=None):
        return self.want(code, method, "/VoiceCall/%s/%s" % (self.me["id"], what), body)

    def record(self, code, method, what, body=None):
        return self.want(code, method, "/recordplay/%s/%s" % (self.me["id"], what), body)

    def poll(self):
        while True:
            answer = self.call(self.polls, "GET", "/agentevent/" + self.me["id"])
            event = answer.get("event")
            with self.news:
                if event:
                    self.events.append(event)
                if answer["retcode"] != "0":
                    self.over = True
                self.news.notify_all()
                if self.over:
                    return

    def wait(self, *types):
        """Waits for events of these types, in this order, others between them or not,
        and returns the content of the last."""
        until = time.monotonic() + PATIENCE
        with self.news:
            for typ in types:
                while True:
                    if self.at < len(self.events):
                        event = self.events[self.at]
                        self.at += 1
                        if event["eventType"] == typ:
                            break
                        continue
                    left = until - time.monotonic()
                    if self.over or left <= 0:
                        self.wrong.append("%s did not come" % typ)
                        return {}
                    self.news.wait(left)
            return event["content"]

    def end(self):
        self.want("0", "DELETE", self.online + "/logout")
        self.call(self.line, "DELETE", self.online + "/forcelogout")  # where that was refused
        self.poller.join(PATIENCE)
        return {"events": [e["eventType"] for e in self.events], "wrong": self.wrong}


def inbound(web, me, other):
    """Sign in, answer, hold, retrieve, transfer with a talk, wrap up, sign out."""
    a, b = Softphone(web, me), Softphone(web, other)
    b.voice("200-002", "PUT", "answer")  # from now on its calls wait for its client
    a.voice("200-002", "PUT", "answer")
    a.want("0", "POST", a.online + "/resetskill/true")
    call = a.wait("AgentEvent_Ringing", "AgentEvent_Customer_Alerting")["callid"]
    a.voice("200-004", "POST", "hold")
    a.voice("0", "PUT", "Answer/")
    a.wait("AgentEvent_Talking")
    a.voice("200-001", "PUT", "callout", {"called": "5550100"})
    a.voice("0", "POST", "beginmute")
    a.voice("0", "POST", "endmute")
    a.voice("0", "POST", "hold")
    a.wait("AgentEvent_Hold")
    a.record("0", "POST", "pauserecord")
    a.record("500-003", "POST", "pauserecord")
    a.record("0", "POST", "resumerecord")
    held = a.want("0", "GET", "/calldata/%s/holdlist" % a.me["id"])
    if [c["callid"] for c in held] != [call]:
        a.wrong.append("held are %s" % held)
    a.voice("0", "POST", "gethold?callid=" + urllib.parse.quote(call))
    a.voice("200-005", "POST", "gethold?callid=" + urllib.parse.quote(call))
    a.wait("AgentEvent_Talking")
    a.want("0", "POST", a.online + "/saybusy?reason=201")  # waits for the end of the call
    a.want("0", "POST", a.online + "/cancelbusy")
    a.record("0", "DELETE", "stoprecord")
    a.wait("AgentMediaEvent_StopRecordDone")
    a.record("0", "PUT", "record", {"mediaType": 5, "fileName": ""})
    a.wait("AgentMediaEvent_Record")
    a.voice("0", "POST", "transfer", {"devicetype": "2", "address": b.me["id"], "mode": "3"})
    a.wait("AgentEvent_Hold")
    b.wait("AgentEvent_Ringing")
    b.voice("0", "PUT", "answer")
    b.wait("AgentEvent_Talking")
    if a.wait("AgentEvent_Talking")["type"] != "assistant":
        a.wrong.append("the consultation is not one")
    a.voice("0", "DELETE", "release")
    a.wait("AgentEvent_Call_Release", "AgentOther_PhoneRelease", "AgentState_Work")
    a.voice("200-017", "DELETE", "release")
    if b.wait("AgentEvent_Talking")["callid"] != call:
        b.wrong.append("the customer did not come along")
    b.voice("0", "DELETE", "release")
    b.wait("AgentEvent_Call_Release", "AgentState_Work")
    a.want("0", "POST", a.online + "/saybusy?reason=202")  # so that no call comes before the sign-out
    a.wait("AgentState_SetNotReady_Success")
    b.want("0", "POST", b.online + "/cancelwork")
    b.wait("AgentState_CancelWork_Success")
    return {"inbound": a.end(), "adviser": b.end()}


def outbound(web, me, other):
    """Call out, ask an adviser, talk with three, let one go, hang up; a silent number."""
    a = Softphone(web, me, autoenteridle=True)
    call = a.voice("0", "PUT", "callout", {"called": 5550100, "mediaability": "0"})
    if a.wait("AgentState_Busy", "AgentEvent_Customer_Alerting", "AgentEvent_Talking")["callid"] != call:
        a.wrong.append("talks with somebody else than called")
    a.voice("200-002", "PUT", "answer")
    a.voice("0", "POST", "innerhelp", {"dstaddress": "12", "devicetype": 1, "mode": 1})
    a.wait("AgentEvent_Hold", "AgentEvent_Customer_Alerting", "AgentEvent_Talking")
    a.voice("0", "POST", "confjoin", {"callid": call})
    a.wait("AgentEvent_Conference")
    a.voice("0", "POST", "disconnect/12")
    a.wait("AgentEvent_Customer_Release")
    a.voice("0", "POST", "dropcall/" + call)
    a.wait("AgentEvent_Call_Release", "AgentEvent_Customer_Release", "AgentOther_PhoneRelease", "AgentState_Ready")
    a.voice("0", "PUT", "callout", {"called": "5550199"})  # never answers
    a.wait("AgentOther_PhoneRelease", "AgentEvent_Call_Out_Fail", "AgentEvent_Connect_Fail", "AgentState_Ready")
    a.voice("000-002", "PUT", "callout", {"called": "five"})
    a.voice("000-002", "PUT", "nothing")
    a.voice("HTTP 405", "POST", "answer")
    return {"outbound": a.end()}


def chat(web, me, other):
    """A text chat of two agents."""
    a, b = Softphone(web, me, autoenteridle=True), Softphone(web, other, autoenteridle=True)
    text = "/textchat/%s/"
    b.want("700-014", "PUT", text % b.me["id"] + "answer/1-1")
    call = a.want("0", "PUT", text % a.me["id"] + "internalcall/" + b.me["id"])
    b.wait("AgentChat_Ring")
    b.want("0", "PUT", text % b.me["id"] + "answer/" + call)
    b.wait("AgentChat_Connected")
    a.wait("AgentChat_Connected")
    a.want("0", "PUT", text % a.me["id"] + "chatmessage/", {"callId": call, "content": "good morning"})
    if b.wait("AgentChat_DataRecved")["chatContent"] != "good morning":
        b.wrong.append("heard something else")
    to = {"skillId": 12, "chatId": "c-7", "chatReceiver": "u-7", "content": "see you", "jauIP": "127.0.0.1", "jauPort": 8080}
    b.want("0", "POST", text % b.me["id"] + "sendmessagewithoutcall", to)
    b.want("000-002", "POST", text % b.me["id"] + "sendmessagewithoutcall", dict(to, chatReceiver=""))
    b.want("0", "DELETE", text % b.me["id"] + "drop/" + call)
    for phone in (a, b):
        phone.wait("AgentChat_Disconnected", "AgentState_Ready")
    return {"chat": a.end(), "chatted": b.end()}


def main(url, ca_file):
    agents, web, seen, threads = json.load(sys.stdin), Web(url, ca_file), {}, []
    for play, pair in ((inbound, agents[0:2]), (outbound, agents[2:4]), (chat, agents[4:6])):
        t = threading.Thread(target=lambda play=play, pair=pair: seen.update(play(web, *pair)))
        t.start()
        threads.append(t)
    for t in threads:
        t.join()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
