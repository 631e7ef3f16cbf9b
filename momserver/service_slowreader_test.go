package momserver_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/harness"
)

// slowly reads a kilobyte at a time, and one each millisecond.
type slowly struct{ net.Conn }

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Conn.Read(p[:min(len(p), 1<<10)])
}

// TestSlowReader, who asks for pages before it has read those before, as many
// as it may, gets them all however slowly it reads, over TLS too.
func TestSlowReader(t *testing.T) {
	for _, secure := range []bool{false, true} {
		harness.Bubble(t, func(s *harness.Server) {
			s.Config.CallTimeout = time.Second
			var trusting *tls.Config
			if secure {
				a := newAuthority()
				a.server.SessionTicketsDisabled = true // nobody reads them on a network without buffers
				a.client.ServerName = "127.0.0.1"
				s.Config.TLS, trusting = a.server, a.client
			}
			s.Start()
			for range 50 {
				err := s.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
					Initialize: &wire.InitializeData{Name: strings.Repeat("x", 47_000)}, Status: wire.Status{State: wire.JobCompleted},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			readPages(t, slowConn(s, trusting))
		})
	}
}

// slowConn returns a greeted connection that reads slowly.
func slowConn(s *harness.Server, trusting *tls.Config) net.Conn {
	nc := s.Dial()
	nc = &slowly{nc}
	if trusting != nil {
		nc = tls.Client(nc, trusting)
	}
	if _, err := protocol.Greet(nc, "", time.Minute); err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { nc.Close() })
	return nc
}

// readPages asks for a hundred pages, always sixteen at once.
func readPages(t *testing.T, nc net.Conn) {
	first, next := calls(1, protocol.MethodHistory, &asks{}), calls(2, protocol.MethodHistory, &asks{})
	next = next[len(first):]
	nc.Write(calls(16, protocol.MethodHistory, &asks{}))
	var payload bytes.Reader
	dec := gob.NewDecoder(&payload)
	for i := range 100 {
		var head [5]byte
		_, err := io.ReadFull(nc, head[:])
		frame := make([]byte, binary.BigEndian.Uint32(head[1:]))
		if _, err2 := io.ReadFull(nc, frame); err != nil || err2 != nil {
			t.Fatalf("page %d: %v, %v", i, err, err2)
		}
		var r struct{ Error string }
		var page protocol.Page
		payload.Reset(frame)
		if err := errors.Join(dec.Decode(&r), dec.Decode(&page)); err != nil || r.Error != "" || page.Count != 2 {
			t.Fatalf("page %d: %d events, %q, %v", i, page.Count, r.Error, err)
		}
		nc.Write(next)
	}
}
