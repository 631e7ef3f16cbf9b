package protocoltest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/wire"
)

var serverEpoch = id{0xe9, 0x0c, 15: 1}

// server is the minimal server's end of a connection with a real client.
type server struct {
	*frames
	t       *testing.T
	args    subscribeArgs
	asked   bool
	events  bytes.Buffer
	enc     *gob.Encoder
	typeLen int
}

// accept takes the next connection and greets it.
func accept(t *testing.T, l net.Listener, answer []byte) *server {
	t.Helper()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { nc.Close() })
	head := make([]byte, 7)
	if _, err := io.ReadFull(nc, head); err != nil || string(head[:5]) != "MoM\x01\x01" {
		t.Fatalf("the client opens %q, %v", head, err)
	}
	if _, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint16(head[5:]))); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(answer); err != nil {
		t.Fatal(err)
	}
	return newServer(t, nc)
}

func newServer(t *testing.T, nc net.Conn) *server {
	s := &server{frames: newFrames(nc), t: t}
	s.enc = gob.NewEncoder(&s.events)
	s.serve = s.subscribe
	return s
}

// welcome is the server's answer. It has a field that this version does not know.
func welcome() []byte {
	body := binary.BigEndian.AppendUint32(serverEpoch[:], 60_000)
	body = append(binary.BigEndian.AppendUint32(body, 1<<20), "tomorrow"...)
	out := binary.BigEndian.AppendUint16([]byte("MoM\x01\x01\x00"), uint16(len(body)))
	return append(out, body...)
}

func refusal(version byte, text string) []byte {
	out := binary.BigEndian.AppendUint16(append([]byte("MoM\x01"), version, 1), uint16(len(text)))
	return append(out, text...)
}

// subscribe answers MoM.Subscribe, and nothing else.
func (s *server) subscribe(r *request, in *gob.Decoder) (any, string) {
	if r.ServiceMethod != "MoM.Subscribe" {
		var skipped nothing
		in.Decode(&skipped)
		return &nothing{}, "mom:unknown-method:0:no such method"
	}
	if err := in.Decode(&s.args); err != nil {
		s.t.Error(err)
	}
	s.asked = true
	return &subscribed{Cursor: cursor{serverEpoch, s.args.Cursor.Seq}, Head: 9}, ""
}

// awaitSubscribe serves until the client has subscribed.
func (s *server) awaitSubscribe() {
	s.t.Helper()
	for !s.asked {
		if _, err := s.step(nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// encode returns the types, the first time, and the events.
func (s *server) encode(seqs ...uint64) (types, events []byte) {
	if s.typeLen == 0 { // what the first of two equal values has over the second
		s.enc.Encode(&record{})
		first := slices.Clone(s.events.Bytes())
		s.events.Reset()
		s.enc.Encode(&record{})
		types = first[:len(first)-s.events.Len()]
		s.typeLen = len(types)
	}
	s.events.Reset()
	if len(seqs) > 0 { // in each batch, although once is enough
		s.enc.Encode(&record{Of: 1, Run: &runDefinition{JobID: id{1}, RunID: id{2}}})
	}
	for _, seq := range seqs {
		if err := s.enc.Encode(&record{Seq: seq, Of: 1, State: 3}); err != nil {
			s.t.Fatal(err)
		}
	}
	return types, slices.Clone(s.events.Bytes())
}

// notifyOf sends a batch of events and returns the Ack.
func (s *server) notifyOf(b batch, seqs ...uint64) ack {
	s.t.Helper()
	b.Count = uint32(len(seqs))
	b.Types, b.Events = s.encode(seqs...)
	var a ack
	if failed, err := s.call("Callback.Notify", &b, &a); failed != "" || err != nil {
		s.t.Fatalf("Notify: %q, %v", failed, err)
	}
	return a
}

// TestClient serves a real client: a snapshot in two parts that is cut off,
// its renewal, events, a gap, and a goodbye.
func TestClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := momclient.New(l.Addr().String(), momclient.Options{Name: "real", Token: "t", AutoReconnect: true, Period: 30 * time.Millisecond, Queue: 10})
	defer c.Close()
	got := make(chan string, 100)
	c.OnEvent(func(e wire.Event) {
		got <- fmt.Sprint(e.Seq, " ", e.Missed, " ", e.Snapshot, " ", e.Epoch == [16]byte(serverEpoch), " ", e.Data.Status.State)
	})
	went := make(chan error, 1)
	go func() { went <- c.Subscribe(context.Background()) }()

	s := accept(t, l, welcome())
	s.awaitSubscribe()
	if s.args.Name != "real" || s.args.From != 0 || s.args.Credit.Events != 10 || s.args.Renew {
		t.Errorf("subscribed with %+v", s.args)
	}
	if err := <-went; err != nil {
		t.Fatal(err)
	}
	if a := s.notifyOf(batch{Next: 8, Snapshot: 1, Pending: 1}, 5); a.Events != 10 {
		t.Errorf("Ack %+v", a)
	}
	s.nc.Close()

	s = accept(t, l, welcome())
	s.awaitSubscribe()
	if s.args.From != 2 || s.args.Cursor != (cursor{serverEpoch, 7}) || !s.args.Renew {
		t.Errorf("after a snapshot that was cut off it subscribed with %+v", s.args)
	}
	s.notifyOf(batch{Next: 8, Snapshot: 1, Pending: 1}, 5)
	s.notifyOf(batch{Next: 8, Snapshot: 1}, 6)
	s.notifyOf(batch{Next: 11}, 8, 10)
	s.notifyOf(batch{Next: 11}) // a heartbeat
	s.notifyOf(batch{Next: 21, Missed: 10, Snapshot: 1}, 20)
	s.notifyOf(batch{Next: 22}, 21)
	for _, want := range []string{"5 0 true", "5 0 true", "6 0 true", "8 0 false", "10 0 false", "20 10 true", "21 0 false"} {
		if e := <-got; e != want+" true Transferring" {
			t.Errorf("event %q; want %q", e, want)
		}
	}
	if failed, err := s.call("Callback.Goodbye", &goodbye{Code: "draining", Message: "bye"}, &nothing{}); failed != "" || err != nil {
		t.Errorf("Goodbye: %q, %v", failed, err)
	}
	s.nc.Close()

	s = accept(t, l, welcome())
	s.awaitSubscribe()
	if s.args.Cursor != (cursor{serverEpoch, 21}) || s.args.Renew {
		t.Errorf("it goes on with %+v", s.args)
	}
	types, _ := s.encode()
	failed, err := s.call("Callback.Notify", &batch{Next: 0, Types: types}, &ack{})
	if err == nil && !strings.HasPrefix(failed, "mom:protocol:0:") {
		t.Errorf("a batch that goes back is taken: %q", failed)
	}
	ended(t, s.nc)
}

// TestPageBound gives a real client a page of more events than a page has.
func TestPageBound(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := momclient.New(l.Addr().String(), momclient.Options{})
	defer c.Close()
	for count, bound := range map[uint32]bool{65536: false, 65537: true} {
		asked := make(chan error, 1)
		go func() {
			_, _, err := c.History(context.Background(), wire.Cursor{}, 0)
			asked <- err
		}()
		s := accept(t, l, welcome())
		s.serve = func(_ *request, in *gob.Decoder) (any, string) {
			in.Decode(&historyArgs{})
			return &page{Count: count}, ""
		}
		s.step(nil)
		if err := <-asked; !errors.Is(err, wire.ProtocolError) || strings.Contains(err.Error(), "at most 65536") != bound {
			t.Errorf("a page of %d events: %v", count, err)
		}
	}
}

// TestClientRefused gives the client each kind of refusal.
func TestClientRefused(t *testing.T) {
	for _, tc := range []struct {
		answer []byte
		is     error
		after  time.Duration
		final  bool
	}{
		{refusal(1, "mom:unauthorized:0:no: entry"), wire.Unauthorized, 0, true},
		{refusal(9, "mom:version:0:too old"), wire.VersionMismatch, 0, true},
		{refusal(1, "mom:full:1500:full up"), wire.Full, 1500 * time.Millisecond, false},
		{refusal(1, "mom:tomorrow:0:new"), wire.Code("tomorrow"), 0, false},
		{refusal(1, "go away"), wire.InternalError, 0, false},
		{refusal(1, "mom:full"), wire.ProtocolError, 0, false},
		{[]byte("MoM\x01\x02\x00\x00\x00"), wire.VersionMismatch, 0, true},
		{[]byte("MoM\x01\x01\x00\x00\x03abc"), wire.ProtocolError, 0, false},
		{[]byte("SSH-2.0-sshd"), wire.NotMoM, 0, true},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := momclient.New(l.Addr().String(), momclient.Options{})
		went := make(chan error, 1)
		go func() { went <- c.Subscribe(context.Background()) }()
		accept(t, l, tc.answer)
		err = <-went
		var e *wire.Error
		if !errors.Is(err, tc.is) || !errors.As(err, &e) || e.After != tc.after || e.Final() != tc.final {
			t.Errorf("%q: %v", tc.answer, err)
		}
		c.Close()
		l.Close()
	}
}
