package momserver

import (
	"net"
	"testing"
)

// textAddr is an address that is written in its own way.
type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

// TestBeyondLoopback takes the listeners of other networks than TCP for this
// machine's, whatever their addresses look like.
func TestBeyondLoopback(t *testing.T) {
	for addr, want := range map[net.Addr]bool{
		textAddr{"tcp", "10.0.0.1:7420"}:           true,
		textAddr{"tcp4", "0.0.0.0:7420"}:           true,
		textAddr{"tcp6", "[::]:7420"}:              true,
		textAddr{"tcp", "127.0.0.1:7420"}:          false,
		textAddr{"tcp", "[::1]:7420"}:              false,
		textAddr{"tcp", "[::ffff:127.0.0.1]:7420"}: false,
		textAddr{"tcp", "no IP address"}:           false,
		textAddr{"unix", "/run/mom.sock"}:          false,
		textAddr{"pipe", "10.0.0.1:7420"}:          false,
	} {
		if got := beyondLoopback(addr); got != want {
			t.Errorf("%s %s: %v", addr.Network(), addr, got)
		}
	}
}
