package protocoltest

import (
	"io"
	"net"
	"testing"

	"mom.internal/momserver"
)

// holding keeps the bytes that are written.
type holding struct {
	net.Conn
	held []byte
}

func (h *holding) Write(p []byte) (int, error) {
	h.held = append(h.held, p...)
	return len(p), nil
}

// TestUnanswered leaves as many calls unanswered as a client may, and is
// answered in order; with one more the connection is closed.
func TestUnanswered(t *testing.T) {
	_, addr := serving(t, momserver.Config{})
	for _, n := range []uint64{16, 17} {
		c := connect(t, addr, "")
		together := &holding{Conn: c.nc}
		c.nc = together
		for seq := range n {
			c.send(kindCall, c.callsOut, &request{"MoM.Ping", seq}, &nothing{})
		}
		c.nc = together.Conn
		c.nc.Write(together.held)
		if n > 16 {
			if _, err := io.ReadFull(c.nc, make([]byte, 1)); err == nil {
				t.Errorf("%d calls: one is answered", n)
			}
			ended(t, c.nc)
			continue
		}
		for seq := range n {
			if head, err := c.step(&nothing{}); err != nil || head.Seq != seq || head.Error != "" {
				t.Fatalf("%d calls: answer %d is %+v, %v", n, seq, head, err)
			}
		}
		c.must("MoM.Ping", &nothing{}, &nothing{})
	}
}
