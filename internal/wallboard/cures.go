package wallboard

// cures say what to do about an alarm; docs/operations.md says more.
var cures = map[string]string{
	"store":        "make space, raise the limit, or mend the stream that is named",
	"streams":      "put it right as the line says, by hand or with bridge apply; a restart makes what is missing",
	"windows":      "restart the bridge: it plans anew from since",
	"disk":         "make space",
	"damage":       "look at the disk; see “A stream that is damaged” in the operations guide",
	"copy":         "stop one of the two processes",
	"hub":          "look at nats.url and at NATS",
	"forward":      "look at the hub for quorum, the streams’ leaders, limits, the disk, and the bridge’s rights",
	"spool":        "bring NATS back, or raise nats.spool_size",
	"consumers":    "see who makes them, and delete those that nobody uses",
	"lease":        "look at the bucket of leases and the rights to it",
	"agents":       "mend the account, or end the other session",
	"gateway":      "look at gateway.url, at the way there, and at the gateway",
	"filestore":    "look at files.url, at the way there, at the keys, and at other clients of the same key",
	"extracts":     "see bridge windows; when the cause is gone, bridge windows retry --failed",
	"callbacks":    "make callbacks.public_url reachable for the platform: firewalls, the proxy in front, the certificate",
	"zone":         "set what the line names, and restart",
	"calls":        "look at the streams and the bridge’s rights; calls go on when the cause is gone",
	"recordings":   "look at files.recordings, at the file store, and at the place where audio is kept",
	"dead_letters": "bridge deadletters lists them; redrive or drop them",
	"certificates": "put a new one there",
	"silence":      "see whether the platform has anything of it; name a holiday in closed",
}
