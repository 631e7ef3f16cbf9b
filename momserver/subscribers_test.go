package momserver

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mom.internal/wire"
)

// TestSharesOfSubscribers: one address may have only its share of the subscribers,
// and of the descriptors for callback connections. Clients without an IP address
// have no share, so it does not bound them.
func TestSharesOfSubscribers(t *testing.T) {
	addr := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, i}) }
	for _, tc := range []struct {
		addr     netip.Addr
		dialBack bool
		subs     int // of another address, and their callback connections
		here     int // of this one
		refused  string
	}{
		{addr(1), false, 0, 1, ""},
		{addr(1), false, 0, 2, "from your address"},
		{addr(1), false, 3, 1, "4 subscribers already"},
		{netip.Addr{}, false, 0, 3, ""},
		{addr(1), true, 0, 0, ""},
		{addr(1), true, 0, 1, "to your address"},
		{addr(1), true, 2, 0, "for a callback connection"},
		{netip.Addr{}, true, 0, 1, ""},
	} {
		srv := New(Config{MaxConns: 10, MaxConnsPerAddr: 5, MaxSubscribers: 4})
		sv := testService(t, srv)
		srv.maxDescriptors = 4 // two for each address
		at := func(addr netip.Addr) *subscriber {
			return &subscriber{addrKey: addr, dialledBack: tc.dialBack, conn: sv.conn, callbackConn: sv.conn}
		}
		for i := range tc.subs + tc.here {
			sub := at(tc.addr)
			if i < tc.subs {
				sub.addrKey = addr(2 + byte(i))
			}
			if tc.dialBack {
				srv.addPlace(&clientConn{srv: srv, addr: sub.addrKey}) // the one that it subscribes on
			}
			if err := sv.reserve(sub); err != nil {
				t.Fatal(err)
			}
			sv.sub = nil
		}
		err := sv.reserve(at(tc.addr))
		if (err == nil) != (tc.refused == "") || err != nil && !(errors.Is(err, wire.Full) && strings.Contains(err.Error(), tc.refused)) {
			t.Errorf("%+v: %v", tc, err)
		}
		for sub := range srv.subs {
			srv.removeSubscriber(sub)
			srv.releaseFilter(sub)
		}
		if len(srv.subs)+len(srv.subsFrom)+srv.callbacks > 0 {
			t.Errorf("%+v: %d subscribers of %d addresses are left, with %d callback connections", tc, len(srv.subs), len(srv.subsFrom), srv.callbacks)
		}
	}
}
