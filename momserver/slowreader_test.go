package momserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/wire/protocol"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
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
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, cfg: momserver.Config{CallTimeout: time.Second}}
			var trusting *tls.Config
			if secure {
				a := newAuthority()
				a.server.SessionTicketsDisabled = true // nobody reads them on a network without buffers
				a.client.ServerName = "127.0.0.1"
				w.cfg.TLS, trusting = a.server, a.client
			}
			w.start()
			defer w.srv.Close()
			for range 50 {
				err := w.srv.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
					Initialize: &wire.InitializeData{Name: strings.Repeat("x", 47_000)}, Status: wire.Status{State: wire.JobCompleted},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			readPages(t, w.slowConn(trusting))
		})
	}
}

// slowConn returns a greeted connection that reads slowly.
func (w *world) slowConn(trusting *tls.Config) net.Conn {
	nc, err := w.net.DialContext(context.Background(), "tcp", memAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	nc = &slowly{nc}
	if trusting != nil {
		nc = tls.Client(nc, trusting)
	}
	if _, err := protocol.Greet(nc, protocol.Hello{Version: protocol.Version}, time.Minute); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
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
