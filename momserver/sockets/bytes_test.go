package sockets_test

import (
	"fmt"
	"testing"

	"mom.internal/momserver"
)

// places are where sessions are cut, with TLS and without.
func places(secured bool) cuts {
	switch {
	case slow() && secured:
		return cuts{step: 31}
	case slow():
		return cuts{step: 1}
	case secured:
		return cuts{step: 47}
	}
	return cuts{dense: 70, step: 61}
}

// TestCutAtEveryByte cuts a whole session after each number of bytes, both
// ways, by its end, by a reset, and by the end of one stream: the client
// connects again, and has all of it, once and in order. With a callback
// endpoint it is the client's own connection that is cut. Without MOM_TEST_SLOW
// it is each number of some.
func TestCutAtEveryByte(t *testing.T) {
	for _, secured := range secure() {
		for _, callee := range []string{"", "127.0.0.1:0"} {
			t.Run(fmt.Sprintf("TLS %v, callback %q", secured, callee), func(t *testing.T) {
				srv := newReplayServer(t, secured, callee)
				srv.replayCuts(places(secured), func(c *cut) route { return newProxy(srv.Addr, c) })
			})
		}
	}
}

// TestCutDialBackAtEveryByte does the same with the connection that the server
// has dialled back.
func TestCutDialBackAtEveryByte(t *testing.T) {
	for _, secured := range secure() {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			srv := newReplayServer(t, secured, "127.0.0.1:0")
			srv.replayCuts(places(secured), func(c *cut) route { return newCallbackProxy(srv, c) })
		})
	}
}

// TestSingleBytes has each byte be a segment of its own, both ways: on the
// client's connection, and on one that is dialled back.
func TestSingleBytes(t *testing.T) {
	t.Parallel()
	for _, secured := range secure() {
		for _, callee := range []string{"", "127.0.0.1:0"} {
			srv := newReplayServer(t, secured, callee)
			m := newProxy(srv.Addr, nil)
			m.pieces = true
			routes := []route{m}
			if callee != "" {
				d := newCallbackProxy(srv, nil)
				d.pieces = true
				routes = append(routes, d)
			}
			for _, r := range routes {
				what := fmt.Sprintf("%T, TLS %v, callback %q", r, secured, callee)
				srv.replay(what, r.addr(), nil)
				r.close()
				t.Logf("%s: %d bytes up, %d down", what, r.length(up), r.length(down))
			}
			if st := srv.Stats(); st.Drops[momserver.ReasonUnsubscribed] != uint64(len(routes)) || len(st.Drops) != 1 {
				t.Errorf("TLS %v, callback %q: dropped for %v: %+v", secured, callee, st.Drops, st.Dropped)
			}
		}
	}
}
