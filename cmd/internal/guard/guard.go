// Package guard keeps the HTTP pages of the commands to the people whom they
// are for: it refuses what other sites' pages ask for through a browser that
// can reach the address, and bounds the connections.
package guard

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Handler refuses what comes by way of a foreign page in a browser that can
// reach this address. A page whose name is made to point here after it was
// loaded is told by the Host that it asks for: an address cannot be made to
// point elsewhere, and localhost and name, which the operator gave with flag,
// are the operator's own. Any other foreign page is told by what its browser
// says of it.
func Handler(name, flag string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !ownHost(r.Host, name):
			http.Error(w, "ask by an IP address or localhost, or start it with "+flag+" NAME:PORT", http.StatusForbidden)
		case isForeign(r.Header):
			http.Error(w, "asked for by another site's page; open it by itself", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// ownHost reports whether a request's Host is one that nobody else can make
// point here. Only browsers are tricked, and they always say a Host.
func ownHost(host, name string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return true
	}
	return strings.EqualFold(host, "localhost") || strings.EqualFold(host, strings.TrimSuffix(name, "."))
}

// isForeign reports whether a browser asks on behalf of another site's page,
// other than by following a link.
func isForeign(head http.Header) bool {
	switch head.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return head.Get("Sec-Fetch-Mode") != "navigate" || head.Get("Sec-Fetch-Dest") != "document"
}

// BeyondLoopback reports whether other machines can reach the address.
func BeyondLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}
