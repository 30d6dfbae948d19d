package config

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"aiccbridge/config/internal/hours"
	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/walk"
)

// validate holds the decoded file to the rules that concern more than one key,
// and reads the files it names. A key in d.Bad has been reported already.
func (d *decoder) validate(c *Config) {
	d.nats(&c.NATS)
	d.listen(c)
	d.callbacks(c)
	d.tenants(c)
	d.worker(&c.Worker)
}

func (d *decoder) callbacks(c *Config) {
	b := &c.Callbacks
	if files := d.firstFiles(c); files != "" {
		d.requireCallbacks(c, files)
	}
	if (b.CertificateFile == "") != (b.KeyFile == "") && b.AllowInsecureHTTP {
		d.Report("callbacks", "give both or neither", "only one of certificate_file and key_file is given")
	}
	d.scheme("callbacks", b.PublicURL, b.AllowInsecureHTTP)
	b.Certificate = d.Certificate("callbacks.certificate_file", b.CertificateFile, "callbacks.key_file", b.KeyFile)
	if b.Certificate != nil && b.PublicURL != nil && b.Certificate.Leaf.VerifyHostname(b.PublicURL.Hostname()) != nil {
		d.Warn("callbacks.certificate_file", "use a certificate for that host, unless a proxy in front has one",
			"the certificate is not valid for %s, the host of public_url", b.PublicURL.Hostname())
	}
	d.networks("callbacks.allow", b.Allow)
	d.networks("callbacks.trusted_proxies", b.TrustedProxies)
	for i, p := range b.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			d.Warn(fmt.Sprintf("callbacks.trusted_proxies[%d]", i), "name the proxies' own addresses", "everybody may say with X-Forwarded-For who is calling")
		}
	}
	if b.Verify != "enforce" && !d.Bad["callbacks.verify"] {
		d.Warn("callbacks.verify", "use it for a trial only", "with %s, callbacks that the platform did not sign are accepted", b.Verify)
	}
}

// networks reports entries without a value.
func (d *decoder) networks(key string, list []netip.Prefix) {
	for i, p := range list {
		if item := fmt.Sprintf("%s[%d]", key, i); !p.IsValid() && !d.Bad[item] {
			d.Report(item, "write an address or a network, or remove the entry", "the entry is empty")
		}
	}
}

// firstFiles is the key of the first tenant's files; empty when none has any.
func (d *decoder) firstFiles(c *Config) string {
	for i := range c.Tenants {
		if key := fmt.Sprintf("tenants[%d].files", i); d.Given[key] {
			return key
		}
	}
	return ""
}

// requireCallbacks reports what is missing for the file store's callbacks: in
// the section callbacks or, when there is none, where files asks for them.
func (d *decoder) requireCallbacks(c *Config, files string) {
	b, tls := &c.Callbacks, "name the PEM file, or set callbacks.allow_insecure_http: true when a proxy in front ends TLS"
	for _, r := range []struct {
		key     string
		present bool
		remedy  string
	}{
		{"callbacks.public_url", b.PublicURL != nil, "write the https URL by which the file store reaches this bridge: its callback says that a file is ready"},
		{"callbacks.certificate_file", b.CertificateFile != "" || b.AllowInsecureHTTP, tls},
		{"callbacks.key_file", b.KeyFile != "" || b.AllowInsecureHTTP, tls},
	} {
		if r.present || d.Bad[r.key] {
			continue
		}
		at := d.Where(r.key)
		if at == (walk.Position{Line: 1, Column: 1}) {
			at = d.Where(files)
		}
		d.ReportAt(r.key, at, scalar.Faultf(r.remedy, "the key is missing although %s is given", files))
	}
}

// scheme refuses http:// unless it is allowed by name.
func (d *decoder) scheme(section string, u *url.URL, allowed bool) {
	key := section + ".url"
	if section == "callbacks" {
		key = "callbacks.public_url"
	}
	if u != nil && u.Scheme == "http" && !allowed && !d.Bad[key] {
		d.Report(key, "write https://, or set allow_insecure_http: true beside it for a trial", "the URL is not encrypted")
	}
}

func (d *decoder) tenants(c *Config) {
	names, agents := first{}, first{}
	for i := range c.Tenants {
		t, key := &c.Tenants[i], fmt.Sprintf("tenants[%d]", i)
		d.unique(names, key+".name", t.Name, "give each tenant a name of its own")
		d.privacy(key+".privacy", &t.Privacy)
		d.calendar(key, t)
		d.sources(key, t)
		d.clients(key, c, t)
		if t.Gateway != nil {
			d.gateway(key+".gateway", t.Gateway, t.Events, agents)
		}
		d.ways(key, c, t)
		if t.Files != nil {
			d.files(key+".files", t.Files)
		}
		if t.Monitor != nil {
			d.monitor(key+".monitor", t.Monitor)
			d.beside(key, t)
		}
	}
	d.accounts(c)
	d.looks(c)
}

// minKeyBytes is the least length of secrets that people choose for machines.
const minKeyBytes = 16

func (d *decoder) privacy(key string, p *Privacy) {
	actions := append(slices.Collect(maps.Values(p.Fields)), p.PhoneNumbers)
	switch at := key + ".key_file"; {
	case d.Bad[at]:
	case slices.Contains(actions, "hmac") && !d.Given[at]:
		d.Report(at, "name a file with at least 16 random bytes, for example of: openssl rand -hex 32", "the key is missing although hmac is used")
	case d.Given[at] && len(p.Key.Reveal()) < minKeyBytes:
		d.Report(at, "write at least 16 random bytes, for example of: openssl rand -hex 32", "the key in %s is shorter than 16 bytes and could be guessed", p.Key.File())
	}
	for name, action := range p.Fields {
		column, at := strings.ToLower(name), key+".fields["+name+"]"
		if (column == "id" || column == "call_id") && (action == "drop" || action == "mask") && !d.Bad[at] {
			d.Report(at, "write hmac, which keeps different ones apart, or keep", "rows are told apart by %s", column)
		}
	}
}

// linkLocal refuses a link-local address, at which only the machine itself or its
// cloud would answer. Names, and clouds' other addresses, are checked when dialled.
func (d *decoder) linkLocal(key string, u *url.URL, allowed bool) {
	if u == nil || allowed {
		return
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.Unmap().IsLinkLocalUnicast() {
		d.Report(key+".url", "write the server's own address or name, or set allow_link_local: true beside it", "%s is a link-local address", a)
	}
}

// first remembers the key at which a value was met first.
type first map[string]string

func (d *decoder) unique(seen first, key, value, remedy string) {
	if value == "" || d.Bad[key] {
		return
	}
	if before, twice := seen[value]; twice {
		d.Report(key, remedy, "the value is the same as that of %s (%s)", before, d.lineOf(before))
		return
	}
	seen[value] = key
}

// lineOf names the line where a key is, and the file if it is another one.
func (d *decoder) lineOf(key string) string {
	at := d.Where(key)
	if at.File == "" || at.File == d.File {
		return fmt.Sprintf("line %d", at.Line)
	}
	return fmt.Sprintf("%s, line %d", at.File, at.Line)
}

func (d *decoder) gateway(key string, g *Gateway, events string, agents first) {
	d.scheme(key, g.URL, g.AllowInsecureHTTP)
	d.linkLocal(key, g.URL, g.AllowLinkLocal)
	d.base(key, g.URL, "/agentgateway/resource")
	g.RootCAs = d.Pool(key+".ca_file", g.CAFile)
	d.warnSkipVerify(key, g.InsecureSkipVerify)
	g.ProxyRootCAs = d.proxy(key, g.ProxyURL, g.ProxyCredentials, g.ProxyCAFile)
	timeout := key + ".poll_timeout"
	if !d.Given[timeout] && !d.Bad[timeout] {
		g.PollTimeout = g.Hold + 20*time.Second
	}
	if g.PollTimeout < g.Hold+5*time.Second && !d.Bad[timeout] && !d.Bad[key+".hold"] {
		d.Report(timeout, "write at least hold plus 5s, or remove the key",
			"%s is too short for a hold of %s: an answer that is cut off is an event lost", scalar.DurationString(g.PollTimeout), scalar.DurationString(g.Hold))
	}
	if at := key + ".silence_slot"; !d.Bad[at] && (g.SilenceSlot%time.Second != 0 || 24*time.Hour%g.SilenceSlot != 0) {
		d.Report(at, "write a time that a day is a multiple of, for example 5m, 15m or 1h", "a day is not cut evenly by %s", scalar.DurationString(g.SilenceSlot))
	}
	d.agents(key, g, events, agents)
}

// calendar reads when a tenant is open.
func (d *decoder) calendar(key string, t *Tenant) {
	var week Week
	set := func(days, text string) *scalar.Fault {
		spans, f := hours.Spans(text)
		weekdays, wrong := hours.Days(days)
		if f = cmp.Or(wrong, f); f != nil {
			return f
		}
		for _, day := range weekdays {
			if week[day] != nil {
				return scalar.Faultf("name each weekday once", "the hours of %s are given twice", day)
			}
			week[day] = spans
		}
		return nil
	}
	for _, days := range slices.Sorted(maps.Keys(t.OpeningHours)) {
		at := key + ".opening_hours[" + days + "]"
		if f := set(days, t.OpeningHours[days]); f != nil && !d.Bad[at] {
			d.ReportAt(at, d.Where(at), f)
		}
		t.Hours = &week
	}
	for i, day := range t.Closed {
		if at := fmt.Sprintf("%s.closed[%d]", key, i); !d.Bad[at] {
			if f := hours.Date(day); f != nil {
				d.ReportAt(at, d.Where(at), f)
			}
		}
	}
}

func (d *decoder) files(key string, f *Files) {
	d.scheme(key, f.URL, f.AllowInsecureHTTP)
	d.linkLocal(key, f.URL, f.AllowLinkLocal)
	d.base(key, f.URL, "/CCFS/resource/ccfs")
	f.RootCAs = d.Pool(key+".ca_file", f.CAFile)
	d.warnSkipVerify(key, f.InsecureSkipVerify)
	f.ProxyRootCAs = d.proxy(key, f.ProxyURL, f.ProxyCredentials, f.ProxyCAFile)
	d.recordings(key+".recordings", f)
	at := key + ".extracts"
	if f.Extracts == (Extracts{}) && !d.Bad[at] && !d.Bad[key] && !d.anyBadUnder(at) {
		d.Report(at, "name at least one of cdr, recording, operation and skill below extracts, or remove files", "nothing is extracted from the file store")
	}
	for _, e := range f.Extracts.all() {
		if e.Extract != nil {
			d.extract(at+"."+e.kind, e.Extract)
			if e.Silence == "" && e.kind == "cdr" {
				e.Silence = "calendar"
			}
			e.Silence = cmp.Or(e.Silence, "learned")
			d.warnSince(at+"."+e.kind+".since", e.Extract, f.RequestSpacing)
		}
	}
}

func (d *decoder) anyBadUnder(key string) bool {
	for bad := range d.Bad {
		if strings.HasPrefix(bad, key+".") {
			return true
		}
	}
	return false
}

func (d *decoder) extract(key string, e *Extract) {
	for name, value := range map[string]time.Duration{"window": e.Window, "settle": e.Settle} {
		if value%time.Second != 0 {
			d.Report(key+"."+name, "write whole seconds: the platform knows no smaller ones", "%s is not a whole number of seconds", value)
		}
	}
	for i := 1; i < len(e.SweepAgain); i++ {
		if e.SweepAgain[i] <= e.SweepAgain[i-1] {
			d.Report(fmt.Sprintf("%s.sweep_again[%d]", key, i), "write the delays in ascending order, for example [6h, 24h]",
				"%s does not come after %s", scalar.DurationString(e.SweepAgain[i]), scalar.DurationString(e.SweepAgain[i-1]))
		}
	}
}

// manyRequests is from how many requests on the way to the present deserves a warning: six
// weeks of hours.
const manyRequests = 1000

// warnSince warns of a beginning that is still to come, and of one so long ago that it takes
// long to get from there to the present. A year that was mistyped is either.
func (d *decoder) warnSince(key string, e *Extract, spacing time.Duration) {
	if e.Since.IsZero() || e.Window <= 0 {
		return
	}
	now := d.Env.Now()
	if e.Since.After(now) {
		d.Warn(key, "check the year and the offset", "%s is in the future: nothing is extracted before", e.Since.Format(time.RFC3339))
		return
	}
	n := int64(now.Sub(e.Since) / e.Window) // a span beyond 292 years counts as that
	if n < manyRequests {
		return
	}
	most := int64(math.MaxInt64) / max(n, 1)
	takes := scalar.DurationString(time.Duration(n * min(int64(spacing), most)).Round(time.Minute))
	d.Warn(key, "check the year; a later time, a longer window or a shorter request_spacing needs less",
		"from there to now are %d requests, which take at least %s with request_spacing %s; only those that an earlier run has made are spared",
		n, takes, scalar.DurationString(spacing))
}

// base cuts a trailing slash off a URL and warns when it does not end as the
// platform's base URLs do.
func (d *decoder) base(key string, u *url.URL, end string) {
	if u == nil {
		return
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, end) {
		d.Warn(key+".url", "check it with the platform's operator", "the URL does not end in %s, as the platform's do", end)
	}
}

func (d *decoder) warnSkipVerify(key string, skip bool) {
	if skip {
		d.Warn(key+".insecure_skip_verify", "name the server's CA in ca_file instead", "anybody on the way can read and change the traffic")
	}
}

func (d *decoder) worker(w *Worker) {
	if w.MaxUnpackedBytes < w.MaxZIPBytes && !d.Bad["worker.max_unpacked"] && !d.Bad["worker.max_zip"] {
		d.Report("worker.max_unpacked", "write at least as much as max_zip", "%s is less than max_zip, %s", w.MaxUnpackedBytes, w.MaxZIPBytes)
	}
}

// proxy checks the keys of a section's forward proxy, and reads the CA certificates of an
// https:// one.
func (d *decoder) proxy(section string, u *url.URL, credentials Secret, caFile string) *x509.CertPool {
	key, who, ca := section+".proxy_url", section+".proxy_credentials_file", section+".proxy_ca_file"
	switch {
	case d.Bad[key]:
	case u == nil:
		for _, of := range []string{who, ca} {
			if d.Given[of] && !d.Bad[of] {
				d.Report(of, "write the proxy's address in proxy_url, or remove the key", "there is no proxy")
			}
		}
	case strings.Trim(u.Path, "/") != "":
		d.Report(key, "end the address after the port, for example http://proxy.example.com:3128", "a proxy's address has no path")
	case d.Given[ca] && u.Scheme != "https":
		d.Report(ca, "write https:// in proxy_url if the proxy speaks TLS, or remove the key", "the proxy is not reached by TLS")
	}
	if d.Given[who] && !d.Bad[who] {
		user, _, ok := strings.Cut(credentials.Reveal(), ":")
		if !ok || user == "" {
			d.Report(who, "write user:password on one line", "%s holds no user name with a password", credentials.File())
		}
	}
	return d.Pool(ca, caFile)
}
