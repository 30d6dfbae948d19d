package config

import (
	"crypto/x509"
	"net/url"
	"strings"
)

// proxy checks the keys of a section's forward proxy, and reads the CA certificates of an
// https:// one.
func (d *decoder) proxy(section string, u *url.URL, credentials Secret, caFile string) *x509.CertPool {
	key, who, ca := section+".proxy_url", section+".proxy_credentials_file", section+".proxy_ca_file"
	switch {
	case d.bad[key]:
	case u == nil:
		for _, of := range []string{who, ca} {
			if d.given[of] && !d.bad[of] {
				d.report(of, "write the proxy's address in proxy_url, or remove the key", "there is no proxy")
			}
		}
	case strings.Trim(u.Path, "/") != "":
		d.report(key, "end the address after the port, for example http://proxy.example.com:3128", "a proxy's address has no path")
	case d.given[ca] && u.Scheme != "https":
		d.report(ca, "write https:// in proxy_url if the proxy speaks TLS, or remove the key", "the proxy is not reached by TLS")
	}
	if d.given[who] && !d.bad[who] {
		user, _, ok := strings.Cut(credentials.Reveal(), ":")
		if !ok || user == "" {
			d.report(who, "write user:password on one line", "%s holds no user name with a password", credentials.File())
		}
	}
	return d.pool(ca, caFile)
}
