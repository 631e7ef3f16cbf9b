//go:build unix

package bench_test

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"net"
	"testing"
	"time"

	"mom.internal/wire"
)

// baseline_test.go holds the baseline, the least that could carry the same
// events: each is encoded once by one persistent gob encoder, its bytes are
// written to every TCP connection by one goroutine, in batches, and decoded by
// one persistent decoder per connection. There is no RPC, no acknowledgement,
// no cursor, no queue.

// baselineServer is the sending half.
type baselineServer struct {
	l     net.Listener
	conns []net.Conn
	buf   bytes.Buffer
	enc   *gob.Encoder
	event wire.Event
}

func newBaselineServer(b *testing.B) *baselineServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &baselineServer{l: l}
	s.enc = gob.NewEncoder(&s.buf)
	return s
}

// accept takes n connections, while the fleet makes them.
func (s *baselineServer) accept(b *testing.B, n int) {
	for range n {
		nc, err := s.l.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		s.conns = append(s.conns, nc)
	}
}

// baselineBatch is what is gathered before it is written.
const baselineBatch = 64 << 10

func (s *baselineServer) publish(ev *wire.Event) error {
	s.event = *ev
	if err := s.enc.Encode(&s.event); err != nil {
		return err
	}
	if s.buf.Len() < baselineBatch {
		return nil
	}
	return s.flush()
}

func (s *baselineServer) flush() error {
	for _, nc := range s.conns {
		if _, err := nc.Write(s.buf.Bytes()); err != nil {
			return err
		}
	}
	s.buf.Reset()
	return nil
}

// encodeAll returns what the load publishes, in pieces of a batch.
func (s *baselineServer) encodeAll(b *testing.B, l load) (pieces [][]byte) {
	l.publish(b, new(crew), func(e *wire.Event) error {
		s.event = *e
		if err := s.enc.Encode(&s.event); err != nil {
			return err
		}
		if s.buf.Len() >= baselineBatch || e.Seq == l.events {
			pieces = append(pieces, bytes.Clone(s.buf.Bytes()))
			s.buf.Reset()
		}
		return nil
	})
	return pieces
}

// writeAll writes the pieces to everybody.
func (s *baselineServer) writeAll(b *testing.B, pieces [][]byte) {
	for _, piece := range pieces {
		for _, nc := range s.conns {
			if _, err := nc.Write(piece); err != nil {
				b.Error(err)
				return
			}
		}
	}
}

func (s *baselineServer) close() {
	s.l.Close()
	for _, nc := range s.conns {
		nc.Close()
	}
}

// baselineClient is the receiving half: it decodes and calls the handler.
func baselineClient(addr string, c *checker) error {
	nc, err := (&net.Dialer{Timeout: time.Minute}).Dial("tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		dec := gob.NewDecoder(bufio.NewReaderSize(nc, baselineBatch))
		for {
			var e wire.Event
			if err := dec.Decode(&e); err != nil {
				return
			}
			c.see(&e)
		}
	}()
	return nil
}
