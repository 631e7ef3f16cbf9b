package protocoltest

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

// dialEndpoint dials a real client's endpoint, as a server does before it
// answers Subscribe. damage changes the server's proof.
func (s *server) dialEndpoint(damage func(proof []byte)) (*server, error) {
	nc, err := net.Dial("tcp", s.args.CallbackAddr)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	s.t.Cleanup(func() { nc.Close() })
	said := make([]byte, 53)
	if _, err := io.ReadFull(nc, said); err != nil {
		return nil, err
	}
	nonce := said[5:21]
	if string(said[:5]) != "MoM\x02\x01" || !bytes.Equal(said[21:], proof(s.args.Ticket, "endpoint", nonce)) {
		s.t.Errorf("the endpoint says %x", said)
	}
	answer := proof(s.args.Ticket, "server", nonce)
	damage(answer)
	if _, err := nc.Write(answer); err != nil {
		return nil, err
	}
	return newServer(s.t, nc), nil
}

// TestEndpoint calls a real client on the endpoint that it opened, after a
// stranger has been turned away from it.
func TestEndpoint(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := momclient.New(l.Addr().String(), momclient.Options{CallbackAddr: "127.0.0.1:0"})
	defer c.Close()
	got := make(chan uint64, 10)
	c.OnEvent(func(e wire.Event) { got <- e.Seq })
	went := make(chan error, 1)
	go func() { went <- c.Subscribe(context.Background()) }()

	s := accept(t, l, welcome())
	kind, payload, err := s.read()
	if err != nil || kind != kindCall {
		t.Fatalf("frame %d, %v", kind, err)
	}
	in, head := s.callsIn, new(request)
	in.buf.Write(payload)
	if err := in.dec.Decode(head); err != nil {
		t.Fatal(err)
	}
	reply, failed := s.subscribe(head, in.dec)
	if failed != "" || len(s.args.Ticket) != 32 {
		t.Fatalf("%s: %q, %d bytes of ticket", head.ServiceMethod, failed, len(s.args.Ticket))
	}

	stranger, err := s.dialEndpoint(func(proof []byte) { proof[31] ^= 1 })
	if err != nil {
		t.Fatal(err)
	}
	ended(t, stranger.nc)
	callee, err := s.dialEndpoint(func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.send(kindReply, s.repliesOut, &response{Seq: head.Seq}, reply); err != nil {
		t.Fatal(err)
	}
	if err := <-went; err != nil {
		t.Fatal(err)
	}
	if a := callee.notifyOf(batch{Next: 3}, 1, 2); a.Events == 0 {
		t.Errorf("Ack %+v", a)
	}
	if a, b := <-got, <-got; a != 1 || b != 2 {
		t.Errorf("events %d, %d", a, b)
	}
	callee.nc.Close() // ends the other connection too
	ended(t, s.nc)
}
