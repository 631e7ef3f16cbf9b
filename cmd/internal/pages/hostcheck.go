package pages

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// checkHost refuses requests that a page of another site makes through a browser
// that can reach this address. There are two kinds:
//   - The site has made its own name point here after its page was loaded. Then
//     the Host of the request is that name. checkHost allows IP addresses, which
//     cannot be made to point elsewhere, localhost, and the name that the operator
//     gave with flag.
//   - The page asks under a right Host. Then the browser itself says so in the
//     request.
func checkHost(name, flag string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !ownHost(r.Host, name):
			refuse(w, "use an IP address or localhost, or start the command with "+flag+" NAME:PORT")
		case isForeign(r.Header):
			refuse(w, "requested by a page of another site; open this page directly")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// refuse answers a request, and lets its connection be closed, so that a page of
// another site cannot keep connections.
func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, http.StatusForbidden)
}

// ownHost reports whether nobody else can make the Host of a request point here.
// An empty one is allowed, because browsers always send a Host.
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

// isForeign reports whether a browser asks on behalf of a page of another site,
// unless the user has followed a link there.
func isForeign(head http.Header) bool {
	switch head.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return head.Get("Sec-Fetch-Mode") != "navigate" || head.Get("Sec-Fetch-Dest") != "document"
}
