package e2e

import (
	"net"
	"os"
	"slices"
	"testing"
)

// TestZone uses a link-local address of IPv6, with and without TLS. Its zone, which
// names an interface of this machine, is in no certificate.
func TestZone(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv(envOwner) == "" {
		asOwner(t)
		return
	}
	n, err := newNamespace(t)
	if err != nil {
		t.Skipf("no network namespace can be made here: %v", err)
	}
	l := &netnsLab{t: t}
	l.ip(n, "link set lo up")
	l.ip(n, "addr add fe80::77/64 dev lo nodad")
	const host = "fe80::77%lo"
	for _, secured := range secure() {
		p := newCerts(t, secured, "fe80::77")
		for _, callback := range [][]string{nil, {"-callback", net.JoinHostPort(host, "0")}} {
			args := append(slices.Clip(p.server), "-addr", net.JoinHostPort(host, "0"), "-once", "-wait", "1", t.TempDir(), t.TempDir())
			srv := launch(t, n.in, command("momserver", args...))
			_, port, _ := net.SplitHostPort(srv.word("addr="))
			args = append(append(slices.Clip(p.client), "-addr", net.JoinHostPort(host, port), "-o", "json", "-exit-when-done", "-wait", "20s"), callback...)
			monitor := launch(t, n.in, command("momclient", args...))
			monitor.exits(0, "connected ["+host+"]:")
			if t.Failed() {
				return
			}
			srv.exits(0)
		}
	}
}
