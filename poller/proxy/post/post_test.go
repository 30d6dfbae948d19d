package post

import (
	"strings"
	"testing"
)

// TestCheck: only addresses that are allowed are pushed to, and in clear only on this machine.
func TestCheck(t *testing.T) {
	for uri, want := range map[string]string{
		"https://phone.example.com/push?token=secret":              "",
		"https://PHONE.example.com:8443/push":                      "",
		"https://phone.example.com.evil.example/push":              "is not in proxy.push_hosts",
		"https://phone.example.com@evil.example/push":              "no http or https URL",
		"https://other.example.com:9000/push":                      "",
		"https://other.example.com/push":                           "is not in proxy.push_hosts",
		"http://phone.example.com/push?token=secret":               "plain http",
		"http://127.0.0.1:8080/push":                               "",
		"http://localhost/push":                                    "",
		"ftp://phone.example.com/push":                             "no http or https URL",
		"https://phone.example.com/" + strings.Repeat("x", maxURI): "no http or https URL",
	} {
		p := New(Options{Hosts: []string{"phone.example.com", "Other.example.com:9000", "127.0.0.1", "localhost"}})
		err := p.Check(Way{URI: uri, Token: "t"})
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.60s: %v, want %q", uri, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("the error quotes the token: %v", err)
		}
	}
	open := New(Options{Hosts: []string{"phone.example.com"}, AllowHTTP: true})
	if err := open.Check(Way{URI: "http://phone.example.com/", Token: "t"}); err != nil {
		t.Error(err)
	}
	for token, good := range map[string]bool{"": false, "a-B_9": true, "a b": false, strings.Repeat("x", maxToken+1): false} {
		if err := open.Check(Way{URI: "https://phone.example.com/", Token: token}); (err == nil) != good {
			t.Errorf("token %q: %v", token, err)
		}
	}
}
