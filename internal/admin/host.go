package admin

import (
	"net"
	"net/http"
	"strings"
)

// fromHere answers on loopback only what was sent to a name of this machine, or to the host as
// it was written: a page from elsewhere can have its own name point at loopback, and would read
// what is served there. Elsewhere every Host may be.
func fromHere(l net.Listener, written string, next http.Handler) http.Handler {
	if l == nil {
		return next
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ofThisMachine(r.Host, written) {
			http.Error(w, "listen.admin is on loopback and answers to names of this machine only, such as http://127.0.0.1; "+
				"a proxy in front has to send such a name as Host", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ofThisMachine(host, written string) bool {
	name := hostOf(host)
	if ip := net.ParseIP(name); ip != nil && ip.IsLoopback() {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name != "" && name == hostOf(written)
}

// hostOf is the host of an address, without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
