package assets

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

const permissionsPath = "../../docs/nats/permissions.conf"

var permissionsFile = template.Must(template.New("").Parse(`# Users of the bridge and what they may do, for the setting nats.subject_prefix: {{.Prefix}}. README.md in this
# folder explains it. Made from the bridge's table of streams by a test; do not edit, include it:
#
#   include permissions.conf
#
# Each password comes from an environment variable of the server.

accounts {
  {{.Account}} {
    jetstream: enabled
    users: [{{range .Users}}
      {
        # {{.About}}
        user: {{.Role}}
        password: {{.Password}}
        permissions: {
          publish: {
            allow: [{{range .Rights.Publish.Allow}}
              "{{.}}"{{end}}
            ]{{if .Rights.Publish.Deny}}
            deny: [{{range .Rights.Publish.Deny}}
              "{{.}}"{{end}}
            ]{{end}}
          }
          subscribe: {
            allow: [{{range .Rights.Subscribe.Allow}}
              "{{.}}"{{end}}
            ]
          }{{if .Rights.Answers}}
          allow_responses: true{{end}}
        }
      }{{end}}
    ]
  }
}
`))

type permittedUser struct {
	Role            Role
	About, Password string
	Rights          Rights
}

// TestPermissionsFile: the file that people use is what Permissions returns.
func TestPermissionsFile(t *testing.T) {
	n := bustest.Names(t)
	data := struct {
		Prefix, Account string
		Users           []permittedUser
	}{n.Prefix(), strings.ToUpper(n.Prefix()), []permittedUser{
		{RoleBridge, "The running bridge, with manage_streams: false. It makes, changes, empties and deletes no stream.", bustest.PasswordVariable(bustest.Bridge), Permissions(n, RoleBridge)},
		{RoleApply, "For `bridge apply`: makes the streams, buckets and the bridges' consumers, and changes their settings.", bustest.PasswordVariable(bustest.Apply), Permissions(n, RoleApply)},
		{RoleReader, "For consumers of the data: reads all but the agents' sessions and the leases.", bustest.PasswordVariable(bustest.Reader), Permissions(n, RoleReader)},
	}}
	var got bytes.Buffer
	if err := permissionsFile.Execute(&got, data); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(permissionsPath, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(permissionsPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the rights changed; if they should, run the test with -update, and say so in the release notes:\n%s", diff)
	}
}

const backendPath = "../../docs/nats/backend.conf"

var backendFile = template.Must(template.New("").Parse(`# What a system may do that signs the agents of the tenant acme in itself (events: handover): put their sessions into
# the bucket, follow and remove them there, and ask a bridge to take a session or to give it back. Made by a test, for the
# setting nats.subject_prefix: aicc; replace acme by your tenant. README.md in this folder explains it. Use it within
# the users of permissions.conf:
#
#   {
#     user: backend
#     password: $NATS_BACKEND_PASSWORD
#     include backend.conf
#   }

permissions: {
  publish: {
    allow: [{{range .Publish.Allow}}
      "{{.}}"{{end}}
    ]
  }
  # An inbox of its own, which its client has to name: others hear what is below _INBOX, and answers hold sessions.
  subscribe: {
    allow: [{{range .Subscribe.Allow}}
      "{{.}}"{{end}}
    ]
  }
}
`))

// TestBackendFile: the file that people use is what Backend returns.
func TestBackendFile(t *testing.T) {
	var got bytes.Buffer
	if err := backendFile.Execute(&got, Backend(bustest.Names(t), "acme")); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(backendPath, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(backendPath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the rights changed; if they should, run the test with -update, and say so in the release notes:\n%s", diff)
	}
}

// With another prefix everything lies below that prefix.
func TestPermissionsFollowThePrefix(t *testing.T) {
	other, err := schemas.NewNames("other")
	if err != nil {
		t.Fatal(err)
	}
	renamed := strings.NewReplacer("aicc.v1", "other.v1", "aicc.ask", "other.ask", "AICC_", "OTHER_")
	for _, r := range []Role{RoleBridge, RoleApply, RoleReader, RoleBackend, RoleAdmin, "nobody"} {
		want, got := Permissions(bustest.Names(t), r), Permissions(other, r)
		for _, list := range [][]string{want.Publish.Allow, want.Publish.Deny, want.Subscribe.Allow, want.Subscribe.Deny} {
			for i := range list {
				list[i] = renamed.Replace(list[i])
			}
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: %s", r, cmp.Diff(want, got))
		}
	}
	if r := Permissions(other, "nobody"); !reflect.DeepEqual(r, Rights{}) {
		t.Errorf("an unknown role may %+v", r)
	}
}

// What no role but admin may do, whatever else changes.
func TestPermissionsAreNarrow(t *testing.T) {
	never := map[Role][]string{
		RoleBridge: {
			"$JS.API.STREAM.CREATE.AICC_EVENTS", "$JS.API.STREAM.UPDATE.AICC_EVENTS", "$JS.API.STREAM.DELETE.AICC_EVENTS",
			"$JS.API.STREAM.PURGE.AICC_EVENTS", "$JS.API.STREAM.PURGE.KV_AICC_WINDOWS", "$JS.API.STREAM.DELETE.OBJ_AICC_QUARANTINE",
			"$JS.API.STREAM.MSG.DELETE.AICC_EVENTS", "$JS.API.STREAM.RESTORE.AICC_EVENTS", "$JS.API.STREAM.SNAPSHOT.AICC_EVENTS",
			"$JS.API.STREAM.CREATE.OTHER", "$JS.API.STREAM.INFO.OTHER", "$JS.API.CONSUMER.CREATE.OTHER.x",
			"$JS.API.CONSUMER.CREATE.AICC_FILES.exporter", "$JS.API.CONSUMER.CREATE.AICC_FILES.exporter.aicc.>", "$JS.API.CONSUMER.DELETE.AICC_FILES.exporter",
			"$JS.API.CONSUMER.CREATE.AICC_ROWS.recorder", "$JS.API.CONSUMER.CREATE.AICC_ROWS.recorder.aicc.>", "$JS.API.CONSUMER.DELETE.AICC_ROWS.recorder",
			"$JS.API.CONSUMER.PAUSE.AICC_FILES.exporter", "$JS.API.ACCOUNT.PURGE.AICC", "$SYS.REQ.SERVER.PING", "other", "aicc.v1.acme.command", "$KV.OTHER.key",
		},
		RoleApply: {
			"$JS.API.STREAM.DELETE.AICC_EVENTS", "$JS.API.STREAM.PURGE.AICC_EVENTS", "$JS.API.STREAM.CREATE.OTHER", "aicc.v1.acme.agent.1.call.ringing",
			"$KV.AICC_WINDOWS.key", "$JS.API.CONSUMER.MSG.NEXT.AICC_FILES.exporter", "$JS.API.CONSUMER.DELETE.AICC_FILES.exporter", "$JS.API.STREAM.MSG.GET.AICC_EVENTS",
		},
		RoleReader: {
			"aicc.v1.acme.agent.1.call.ringing", "$KV.AICC_WINDOWS.key", "$O.AICC_QUARANTINE.M.x", "$JS.API.STREAM.CREATE.AICC_EVENTS", "$JS.API.STREAM.PURGE.OBJ_AICC_QUARANTINE",
			"$JS.API.STREAM.INFO.KV_AICC_SESSIONS", "$JS.API.DIRECT.GET.KV_AICC_SESSIONS.$KV.AICC_SESSIONS.acme.101", "$JS.API.CONSUMER.CREATE.KV_AICC_LEASES.x",
			"$JS.API.CONSUMER.MSG.NEXT.AICC_FILES.exporter", "$JS.API.CONSUMER.CREATE.AICC_FILES.exporter", "$JS.API.CONSUMER.DURABLE.CREATE.AICC_FILES.exporter",
			"$JS.API.CONSUMER.MSG.NEXT.AICC_ROWS.recorder", "$JS.API.CONSUMER.DURABLE.CREATE.AICC_ROWS.recorder", "$JS.ACK.AICC_ROWS.recorder.1.1.1.1.0",
			"$JS.ACK.AICC_FILES.exporter.1.1.1.1.0", "$JS.ACK.hub.hash.AICC_FILES.exporter.1.1.1.1.0",
			"aicc.ask.handover", "aicc.ask.handback", "$KV.AICC_SESSIONS.acme.101",
		},
		RoleBackend: {
			"aicc.v1.acme.agent.1.call.ringing", "$KV.AICC_LEASES.acme.1", "$KV.AICC_SESSIONS.acme", "aicc.ask.status", "$JS.API.STREAM.MSG.GET.KV_AICC_SESSIONS",
			"$JS.API.STREAM.INFO.AICC_EVENTS", "$JS.API.CONSUMER.CREATE.AICC_EVENTS.x", "$JS.API.STREAM.PURGE.KV_AICC_SESSIONS", "$JS.API.STREAM.DELETE.KV_AICC_SESSIONS",
		},
	}
	for role, subjects := range never {
		rights := Permissions(bustest.Names(t), role)
		for _, s := range subjects {
			if rights.mayPublish(s) {
				t.Errorf("%s may publish on %s", role, s)
			}
		}
		for _, s := range []string{">", "_INBOX.>", "$JS.>", "$SYS.>", "$KV.>"} {
			if role != RoleReader && slices.ContainsFunc(rights.Subscribe.Allow, func(p string) bool { return schemas.Covers(p, s) }) {
				t.Errorf("%s may subscribe to %s", role, s)
			}
		}
	}
	if r := Permissions(bustest.Names(t), RoleReader); !r.mayPublish("$JS.ACK.AICC_EVENTS.mine.1.1.1.1.0") || slices.ContainsFunc(r.Subscribe.Allow, func(p string) bool { return schemas.Covers(p, BridgeInbox+".x") }) {
		t.Error("a reader cannot acknowledge, or may listen to the bridge's answers")
	}
}

func (r Rights) mayPublish(subject string) bool {
	covers := func(p string) bool { return schemas.Covers(p, subject) }
	return slices.ContainsFunc(r.Publish.Allow, covers) && !slices.ContainsFunc(r.Publish.Deny, covers)
}
