package config

import (
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/source"
)

func TestSecured(t *testing.T) {
	c, err := parseFile(t, "testdata/secured.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l, p := c.Listen, c.Tenants[0].Privacy
	if l.AdminCertificate == nil || l.NATSCertificate == nil || l.AdminToken.Reveal() != "test-only-admin-token-0123456789" {
		t.Errorf("%+v", l)
	}
	var users []string
	for _, u := range l.NATSUsers {
		users = append(users, u.Name+" "+u.Role+" "+u.Password.Reveal())
	}
	if diff := cmp.Diff([]string{"reports reader test-password", "ops admin test-password"}, users); diff != "" {
		t.Error(diff)
	}
	var allowed []string
	for _, n := range c.Callbacks.Allow {
		allowed = append(allowed, n.String())
	}
	if diff := cmp.Diff([]string{"192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32", "192.0.2.8/32"}, allowed); diff != "" {
		t.Error(diff)
	}
	if len(c.Callbacks.TrustedProxies) != 1 || !c.Callbacks.PathToken || c.Disk.Reserve != 0 ||
		!c.Tenants[0].Gateway.AllowLinkLocal || !c.Tenants[0].Files.AllowLinkLocal {
		t.Errorf("%+v", c)
	}
	want := map[string]string{"callerNo": "hmac", "record_file": "drop", "客户号码": "keep", "yes": "drop", "1": "mask"}
	if p.PhoneNumbers != "mask" || !maps.Equal(p.Fields, want) || p.Key.Reveal() != "test-only-hmac-key-0123456789abcdef" {
		t.Errorf("%+v", p)
	}
	for _, secret := range []string{"test-only-admin-token", "test-only-hmac-key", "test-password"} {
		if strings.Contains(fmt.Sprintf("%+v %s", c, c), secret) {
			t.Errorf("%s shows", secret)
		}
	}
}

func TestExternalSignIn(t *testing.T) {
	c, err := parseFile(t, "testdata/external_sign_in.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := c.NATS
	if n.User != "bridge" || n.Password.Reveal() != "test-password" || n.ClientCertificate == nil || n.RootCAs == nil || n.ManageStreams || n.Replicas != 5 || n.SpoolBytes != 1<<40 {
		t.Errorf("%+v", n)
	}
	d, err := parseFile(t, "testdata/gateway_only.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := d.NATS; n.User != "" || n.Password.File() != "" || n.ClientCertificate != nil || !n.ManageStreams || n.Replicas != 0 || n.SpoolBytes != 10<<30 || d.Disk.Reserve != 64<<20 {
		t.Errorf("defaults: %+v %+v", n, d.Disk)
	}
	if p := d.Tenants[0].Privacy; p.PhoneNumbers != "keep" || p.Fields != nil || p.Key.File() != "" {
		t.Errorf("defaults: %+v", p)
	}
}

// Every file that holds a secret is looked at, whoever reads it in the end.
func TestExposedFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("file modes mean nothing here")
		return
	}
	for _, name := range []string{"secured", "external_sign_in"} {
		for mode, exposed := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o440: false, 0o640: false, 0o604: true, 0o620: true, 0o602: true, 0o660: true, 0o644: true} {
			env := testEnv()
			env.Read = func(path string) ([]byte, fs.FileMode, error) {
				data, _, err := source.Read(path)
				return data, mode, err
			}
			data, err := os.ReadFile("testdata/" + name + ".good.yaml")
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse("testdata/x.yaml", data, env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range c.Warnings {
				got = append(got, w.Key)
			}
			want := map[string][]string{
				"secured": {"listen.admin_key_file", "listen.admin_token_file", "listen.nats_key_file", "listen.nats_users[0].password_file",
					"listen.nats_users[1].password_file", "callbacks.key_file", "tenants[0].gateway.agents[0].password_file",
					"tenants[0].files.secret_key_file", "tenants[0].privacy.key_file"},
				"external_sign_in": {"nats.password_file", "nats.key_file", "tenants[0].gateway.agents[0].password_file"},
			}[name]
			if !exposed {
				want = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, mode %o: %s", name, mode, diff)
			}
		}
	}
}

func TestTrustingEverybodyIsWarnedOf(t *testing.T) {
	base, err := os.ReadFile("testdata/gateway_only.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("testdata/x.yaml", append(base, "callbacks: { trusted_proxies: [10.0.0.1, 0.0.0.0/0] }\n"...), testEnv())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].Key != "callbacks.trusted_proxies[1]" {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func FuzzNetwork(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "::/0", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "fe80::1%x", "", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, fault := scalar.Network(text)
		if fault != nil {
			return
		}
		again, fault := scalar.Network(p.String())
		if fault != nil || again != p || p != p.Masked() || p.Addr().Is4In6() || !p.Contains(p.Addr()) {
			t.Errorf("%q is %v, read back as %v (%v)", text, p, again, fault)
		}
		if a, err := netip.ParseAddr(text); err == nil && !p.Contains(a.Unmap()) {
			t.Errorf("%q does not contain itself", text)
		}
	})
}

// What systemd gives the service is nobody else's, whatever its mode says.
func TestCredentialsAreNotExposed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("file modes mean nothing here")
		return
	}
	dir := filepath.Join(t.TempDir(), "credentials")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "password"), filepath.Join(dir, "..", "password"), dir + "-password"} {
		if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, exposed := range map[string]bool{
		dir + "/password": false, dir + "/../credentials/password": false, dir + "/../password": true, dir + "-password": true,
	} {
		env := Environment{
			Lookup: func(name string) (string, bool) { return dir, name == "CREDENTIALS_DIRECTORY" },
			Read: func(path string) ([]byte, fs.FileMode, error) {
				data, _, err := source.Read(path)
				return data, 0o444, err
			},
		}
		c, err := Parse("x.yaml", []byte(`nats: { url: nats://nats.example.com:4222, user: bridge, password_file: `+path+` }
callbacks: { public_url: https://bridge.example.com/, allow_insecure_http: true }
tenants:
  - name: acme
    timezone: UTC
    gateway:
      url: https://gateway.example.com:8043/agentgateway/resource
      agents: [{ id: "1", phone: "2", password_file: `+path+` }]
`), env)
		if err != nil {
			t.Fatal(err)
		}
		warned := 0
		for _, w := range c.Warnings {
			if strings.Contains(w.Problem, "may be read or changed") {
				warned++
			}
		}
		if want := map[bool]int{true: 2}[exposed]; warned != want {
			t.Errorf("%s: %d warnings, not %d", path, warned, want)
		}
	}
}
