package pages

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Hosts is the value of the flag HostsFlag: further names under which browsers may reach
// the pages, for example the name that a proxy passes on. A *Hosts is a flag.Getter.
type Hosts []string

// HostsFlag is the name of the flag.
const HostsFlag = "http-host"

// String returns the names, separated by spaces.
func (h *Hosts) String() string { return strings.Join(*h, " ") }

// Get returns the names.
func (h *Hosts) Get() any { return *h }

// Set adds a name.
func (h *Hosts) Set(name string) error {
	if !hostName.MatchString(name) {
		return errors.New("want the name of a host without a port, as mirror.example")
	}
	*h = append(*h, name)
	return nil
}

// hostName matches names as browsers send them: only ASCII.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

// checkHost refuses requests that a page of another site makes through a browser
// that can reach this address. There are two kinds:
//   - The site has made its own name point here after its page was loaded. Then
//     the Host of the request is that name. checkHost allows IP addresses, which
//     cannot be made to point elsewhere, localhost, and the given names.
//   - The page asks under a right Host. Then the browser itself says so in the
//     request.
func checkHost(names Hosts, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !names.has(r.Host):
			refuse(w, "the Host of the request is none of this server's; use an IP address, localhost or the name of the machine, or start the command with -"+HostsFlag+" NAME")
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

// has reports whether the Host of a request is an IP address, localhost or one of the
// names. An empty Host is allowed, because browsers always send one.
func (h Hosts) has(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil || host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	return slices.ContainsFunc(h, func(name string) bool { return strings.EqualFold(host, strings.TrimSuffix(name, ".")) })
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
