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

// plain_test.go holds the two things that MoM is compared with: the limit of gob
// and the floor. One goroutine encodes each event once and writes its bytes, in
// batches, to every TCP connection. There is no RPC, no acknowledgement, no cursor,
// no queue.
//
// "gob" has one persistent encoder, and one persistent decoder for each connection.
// "floor" has the layout of floor_test.go, which is made by hand.

// plainServer is the sending half.
type plainServer struct {
	l      net.Listener
	conns  []net.Conn
	buf    bytes.Buffer
	encode func(*wire.Event) error // appends to buf
}

func newPlainServer(b *testing.B, kind string) *plainServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &plainServer{l: l}
	if kind == "floor" {
		s.encode = func(ev *wire.Event) error {
			s.buf.Write(appendFloor(s.buf.AvailableBuffer(), ev))
			return nil
		}
		return s
	}
	enc := gob.NewEncoder(&s.buf)
	s.encode = func(ev *wire.Event) error { return enc.Encode(ev) }
	return s
}

// accept takes n connections, while the fleet makes them.
func (s *plainServer) accept(b *testing.B, n int) {
	for range n {
		nc, err := s.l.Accept()
		if err != nil {
			b.Error(err)
			return
		}
		s.conns = append(s.conns, nc)
	}
}

// plainBatch is what is gathered before it is written.
const plainBatch = 64 << 10

func (s *plainServer) publish(ev *wire.Event) error {
	if err := s.encode(ev); err != nil {
		return err
	}
	if s.buf.Len() < plainBatch {
		return nil
	}
	return s.flush()
}

func (s *plainServer) flush() error {
	err := s.write(s.buf.Bytes())
	s.buf.Reset()
	return err
}

func (s *plainServer) write(data []byte) error {
	for _, nc := range s.conns {
		if _, err := nc.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// encodeAll returns what the load publishes, in pieces of a batch.
func (s *plainServer) encodeAll(b *testing.B, l load) (pieces [][]byte) {
	l.publish(b, new(crew), func(e *wire.Event) error {
		if err := s.encode(e); err != nil {
			return err
		}
		if s.buf.Len() >= plainBatch || e.Seq == l.events {
			pieces = append(pieces, bytes.Clone(s.buf.Bytes()))
			s.buf.Reset()
		}
		return nil
	})
	return pieces
}

func (s *plainServer) close() {
	s.l.Close()
	for _, nc := range s.conns {
		nc.Close()
	}
}

// plainClient is the receiving half: it decodes and calls the handler.
func plainClient(addr, kind string, c *checker) error {
	nc, err := (&net.Dialer{Timeout: time.Minute}).Dial("tcp", addr)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(nc, plainBatch)
	if kind == "floor" {
		go readFloor(in, c.see)
		return nil
	}
	go func() {
		dec := gob.NewDecoder(in)
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
