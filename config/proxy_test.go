package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestProxy: a forward proxy is named for gateway and file store each.
func TestProxy(t *testing.T) {
	all := map[string]string{"own": "x\n", "who": "us er:hunter2:x\n", "nobody": "hunter2\n", "anonymous": ":hunter2\n"}
	const agents = "      agents: [{ id: \"1\", phone: \"2\", password_file: own }]\n"
	files := files(all)
	c, err := Parse("b.yaml", withAgents(agents+"      proxy_url: http://proxy.example.com:3128/\n      proxy_credentials_file: who\n"), files)
	if err != nil || len(c.Warnings) > 0 {
		t.Fatalf("%v %v", err, c)
	}
	g := c.Tenants[0].Gateway
	if g.ProxyURL.Host != "proxy.example.com:3128" || g.ProxyCredentials.Reveal() != "us er:hunter2:x" || g.ProxyRootCAs != nil || strings.Contains(fmt.Sprintf("%+v", c), "hunter2") {
		t.Errorf("%+v", g)
	}
	if c, err := Parse("b.yaml", withAgents(agents), files); err != nil || c.Tenants[0].Gateway.ProxyURL != nil {
		t.Errorf("without one: %v", err)
	}
	for keys, want := range map[string]string{
		"proxy_url: http://u:hunter2@proxy:3128":                        "the URL holds a user name or password; remove the part up to the @",
		"proxy_url: proxy.example.com:3128":                             "does not begin with",
		"proxy_url: socks5://proxy:1080":                                "does not begin with",
		"proxy_url: http://proxy:3128/a.pac":                            "a proxy's address has no path; end the address after the port",
		"proxy_credentials_file: who":                                   "there is no proxy; write the proxy's address in proxy_url",
		"proxy_ca_file: own":                                            "there is no proxy",
		"proxy_url: http://proxy:3128\n      proxy_ca_file: own":        "the proxy is not reached by TLS",
		"proxy_url: https://proxy:3128\n      proxy_ca_file: own":       "own holds no certificate in PEM form",
		"proxy_url: http://proxy\n      proxy_credentials_file: nobody": "nobody holds no user name with a password; write user:password on one line",
		"proxy_url: http://p\n      proxy_credentials_file: anonymous":  "anonymous holds no user name",
		"proxy: http://proxy:3128":                                      "did you mean proxy_url?",
	} {
		_, err := Parse("b.yaml", withAgents(agents+"      "+keys+"\n"), files)
		var e Errors
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
