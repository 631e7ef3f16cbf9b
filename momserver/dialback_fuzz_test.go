package momserver

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"mom.internal/wire/wiretest/attack"
)

// FuzzCallback: what may be dialled is the subscriber's own address, however it
// is written, and nothing else.
func FuzzCallback(f *testing.F) {
	for _, resolved := range []string{
		"127.0.0.1:80", "127.0.0.2:80", "[::ffff:127.0.0.1]:80", "[::1]:80", "0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:1", "224.0.0.1:1",
		"[fe80::1%eth0]:80", "[fe80::1%eth1]:80", "localhost:80", ":80", "", "127.1:80", "0x7f.1:80", "127.0.0.1:080", "127.0.0.1:0",
	} {
		f.Add("127.0.0.1:4000", resolved)
		f.Add("[fe80::1%eth0]:4000", resolved)
		f.Add("[::ffff:127.0.0.2]:4000", resolved)
	}
	srv := New(Config{})
	open := New(Config{AllowCallback: func(_, target netip.AddrPort) bool {
		if target.Addr().IsUnspecified() || target.Addr().IsMulticast() || target.Addr().Is4In6() {
			panic(target)
		}
		return true
	}})
	f.Fuzz(func(t *testing.T, source, addr string) {
		attack.Bounded(t, len(source)+len(addr), func() {
			if err := checkCallback(addr); err == nil {
				if host, port, err := net.SplitHostPort(addr); err != nil || port == "0" || len(host) > 255+2 {
					t.Errorf("%q is taken for an address", addr)
				}
			} else if strings.Contains(err.Error(), addr) && len(addr) > 60 {
				t.Errorf("%q is repeated", addr)
			}
			from, err := netip.ParseAddrPort(source)
			if err != nil {
				return
			}
			from = unmap(from)
			target, perr := netip.ParseAddrPort(addr)
			own := perr == nil && target.Addr().Unmap() == from.Addr() && !from.Addr().IsUnspecified() && !from.Addr().IsMulticast()
			if err := srv.permit(t.Context(), from, addr); (err == nil) != own {
				t.Errorf("from %q to %q: %v", source, addr, err)
			}
			open.permit(t.Context(), from, addr)
		})
	})
}
