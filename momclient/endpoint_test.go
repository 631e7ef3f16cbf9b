package momclient_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"mom/momclient"
	"mom/wire"
)

// TestListen: Options.Listen is asked for the callback address. Where it has no
// descriptor left, that may pass; where it may not listen, that is final.
func TestListen(t *testing.T) {
	inBubble(t, func(s *site) {
		s.start()
		for failed, want := range map[error]error{syscall.EMFILE: wire.ErrCallback, syscall.EACCES: wire.ErrBadRequest} {
			var asked string
			c := s.client(momclient.Options{CallbackAddr: "10.0.0.1:0", Listen: func(network, addr string) (net.Listener, error) {
				asked = network + " " + addr
				return nil, &net.OpError{Op: "listen", Err: failed}
			}})
			if err := c.Subscribe(context.Background()); !errors.Is(err, want) {
				t.Errorf("%v: %v; want %v", failed, err, want)
			}
			if asked != "tcp 10.0.0.1:0" {
				t.Errorf("asked for %q", asked)
			}
		}
	})
}
