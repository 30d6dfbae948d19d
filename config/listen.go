package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"aiccbridge/config/internal/scalar"
)

func (d *decoder) nats(n *NATS) {
	for text := range strings.SplitSeq(n.URL, ",") {
		if n.URL == "" {
			break
		}
		u, err := url.Parse(strings.TrimSpace(text))
		switch {
		case err != nil || u.Hostname() == "" || !strings.Contains(" nats tls ws wss ", " "+u.Scheme+" "):
			d.Report("nats.url", "write nats://host:4222 or tls://host:4222, several separated by commas", "the value is not the address of a NATS server")
		case u.User != nil:
			d.Report("nats.url", "remove the part up to the @ and use user and password_file, or credentials_file", "the URL holds a user name, password or token")
		}
	}
	d.SecretPath("nats.credentials_file", n.CredentialsFile)
	d.signIn(n)
	n.RootCAs = d.Pool("nats.ca_file", n.CAFile)
	n.ClientCertificate = d.Pair("nats.certificate_file", n.CertificateFile, "nats.key_file", n.KeyFile)
	inside := !n.External() && !d.Bad["nats.url"]
	if inside && n.Replicas > 1 {
		d.Report("nats.replicas", "remove the key, or name a cluster in nats.url", "the server inside the bridge is one server and keeps one copy")
	}
	if inside && !n.ManageStreams && !d.Bad["nats.manage_streams"] {
		d.Report("nats.manage_streams", "write true, or name the server in nats.url", "nobody else makes the streams of the server inside the bridge")
	}
}

// signIn: a context, which says where as well; a name and its password; or a credentials file.
func (d *decoder) signIn(n *NATS) {
	for _, key := range []string{"url", "credentials_file", "user", "password_file", "ca_file", "certificate_file", "key_file"} {
		if n.Context != "" && d.Given["nats."+key] {
			d.Report("nats."+key, "remove it, or remove context", "a context says that as well")
		}
	}
	user, password := d.Given["nats.user"], d.Given["nats.password_file"]
	switch {
	case d.Bad["nats.user"] || d.Bad["nats.password_file"]:
	case user && !password:
		d.Report("nats.password_file", "name the file that holds the user's password", "the key is missing although nats.user is given")
	case password && !user:
		d.Report("nats.user", "write the user's name, or remove password_file", "the key is missing although nats.password_file is given")
	}
	if user && n.CredentialsFile != "" {
		d.Report("nats.user", "use user and password_file, or credentials_file, as the server asks for", "there is a credentials_file as well")
	}
}

func (d *decoder) listen(c *Config) {
	l := &c.Listen
	l.AdminCertificate = d.Pair("listen.admin_certificate_file", l.AdminCertificateFile, "listen.admin_key_file", l.AdminKeyFile)
	l.GatewayCertificate = d.Pair("listen.gateway_certificate_file", l.GatewayCertificateFile, "listen.gateway_key_file", l.GatewayKeyFile)
	l.NATSCertificate = d.Pair("listen.nats_certificate_file", l.NATSCertificateFile, "listen.nats_key_file", l.NATSKeyFile)
	if d.Given["listen.admin_token_file"] && !d.Bad["listen.admin_token_file"] && len(l.AdminToken.Reveal()) < minKeyBytes {
		d.Report("listen.admin_token_file", "write at least 16 random characters, for example of: openssl rand -hex 32", "the token in %s is shorter than 16 bytes and could be guessed", l.AdminToken.File())
	}
	names := first{}
	for i, u := range l.NATSUsers {
		d.unique(names, fmt.Sprintf("listen.nats_users[%d].name", i), u.Name, "give each user a name of its own")
	}
	d.addresses(c)
}

// clients checks what a tenant needs whose agents sign in through the bridge.
func (d *decoder) clients(key string, c *Config, t *Tenant) {
	t.Proxy.PushRootCAs = d.Pool(key+".proxy.push_ca_file", t.Proxy.PushCAFile)
	if t.Events != "proxy" {
		return
	}
	if c.Listen.Gateway == "" && !d.Bad["listen.gateway"] {
		d.Report(key+".events", "write listen.gateway, for example 0.0.0.0:8043", "no address is given that the tenant's clients can call")
	}
	if t.Gateway == nil && !d.Bad[key+".gateway"] {
		d.Report(key+".events", "add gateway with its url", "there is no gateway that calls can be passed on to")
		return
	}
	if t.Gateway != nil {
		t.Gateway.Clients = true
	}
}

// addresses checks where the bridge listens. Other machines reach what is not on
// loopback: then there must be keys for TLS and a sign-in.
func (d *decoder) addresses(c *Config) {
	type open struct {
		key  string
		addr netip.AddrPort
	}
	var opened []open
	for _, l := range []struct {
		key, text string
		needs     []string
	}{
		{"listen.callbacks", c.Listen.Callbacks, nil},
		{"listen.admin", c.Listen.Admin, []string{"admin_certificate_file", "admin_key_file", "admin_token_file"}},
		{"listen.gateway", c.Listen.Gateway, []string{"gateway_certificate_file", "gateway_key_file"}},
		{"listen.nats", c.Listen.NATS, []string{"nats_certificate_file", "nats_key_file", "nats_users"}},
	} {
		if l.text == "" || l.key == "listen.nats" && c.NATS.External() {
			continue // not opened
		}
		addr, f := scalar.Listen(l.text)
		if f != nil {
			d.ReportAt(l.key, d.Where(l.key), f)
			continue
		}
		for _, o := range opened {
			if scalar.Overlap(o.addr, addr) {
				d.Report(l.key, "give each listener a port of its own", "%s is used by %s already", l.text, o.key)
			}
		}
		opened = append(opened, open{l.key, addr})
		if missing := d.notGiven(c, l.needs); len(missing) > 0 && !addr.Addr().IsLoopback() {
			d.Report(l.key, "give "+enumerate(missing)+" below listen, or listen on 127.0.0.1",
				"other machines reach %s, so it must not be open without TLS and sign-in", l.text)
		}
	}
}

// notGiven lists the keys below listen that are missing. An empty list of users
// is as good as none.
func (d *decoder) notGiven(c *Config, names []string) (missing []string) {
	for _, name := range names {
		key := "listen." + name
		if name == "nats_users" && len(c.Listen.NATSUsers) == 0 && !d.Bad[key] || !d.Given[key] && !d.Bad[key] {
			missing = append(missing, name)
		}
	}
	return missing
}

// enumerate is "a", "a and b", "a, b and c".
func enumerate(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
