package momclient_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
)

// flood returns n calls of a method, after the reply to Subscribe.
func flood(n int, method string, args any) []byte {
	first := append(welcomed(), attack.Frame(1, attack.Call(method, args))...)
	return append(first, bytes.Repeat(attack.Frame(1, attack.NextCall(method, args)), n-1)...)
}

// TestFloodOfCalls: whatever a server calls for that brings no event, and whatever
// it answers that nobody asked, is refused at once.
func TestFloodOfCalls(t *testing.T) {
	type goodbye struct {
		Code, Message string
		AfterMillis   uint32
	}
	const calls = 20_000
	types := protocol.NewEventEncoder().Types()
	// A batch with types comes first, because each batch needs them.
	after := func(n int, bs ...batch) []byte {
		lie := notify(batch{Next: 1, Types: types})
		var round []byte
		for _, b := range bs {
			round = append(round, attack.Frame(1, attack.NextCall("Callback.Notify", &b))...)
		}
		return append(lie, bytes.Repeat(round, n/len(bs))...)
	}
	for name, lie := range map[string][]byte{
		"heartbeats":              after(calls, batch{Next: 1}),
		"gaps":                    after(calls, batch{Next: 1, Missed: 1}),
		"ends of snapshots":       after(calls, batch{Next: 1, Pending: 1}, batch{Next: 1}),
		"goodbyes":                flood(calls, "Callback.Goodbye", &goodbye{Code: "draining", Message: "bye"}),
		"unknown methods":         flood(calls, "Callback.Nothing", &goodbye{}),
		"unknown services":        flood(calls, "Nothing.Notify", &batch{}),
		"arguments of a stranger": flood(calls, "Callback.Goodbye", &struct{ Message, Unknown string }{"x", "y"}),
		"replies to Subscribe":    bytes.Repeat(welcomed(), 2),
	} {
		s := newLiar(t)
		var err error
		c := attack.Refused(t, name, func() { err = attacked(t, name, s, lie) })
		if !errors.Is(err, wire.ProtocolError) || name != "replies to Subscribe" && !strings.Contains(err.Error(), "made too many calls without an event") {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d bytes sent, %d allocated, %v", name, len(lie), c.Bytes, c.Time)
	}
}

// TestFloodOverDialBack: on the connection that the server has dialled back, calls
// without an event have the same budget, and there is no call to reply to. On the
// other connection no call is served.
func TestFloodOverDialBack(t *testing.T) {
	types := protocol.NewEventEncoder().Types()
	beat := attack.Frame(1, attack.NextCall("Callback.Notify", &batch{Next: 1, Missed: 1}))
	first := attack.Frame(1, attack.Call("Callback.Notify", &batch{Next: 1, Types: types}))
	for name, test := range map[string]struct {
		say   []byte
		own   bool // a call on the client's own connection instead
		ended string
	}{
		"within":           {slices.Concat(first, bytes.Repeat(beat, 255)), false, ""},
		"over":             {slices.Concat(first, bytes.Repeat(beat, 256)), false, "made too many calls without an event"},
		"a reply":          {welcomed(), false, "sent more replies than there were calls"},
		"a call to no one": {nil, true, "nothing is served here"},
	} {
		harness.Bubble(t, func(s *harness.Server) {
			calls(s, func(l *caller, args *protocol.SubscribeArgs) error {
				nc := l.prove(args)
				go io.Copy(io.Discard, nc)
				time.AfterFunc(time.Second, func() {
					if test.own {
						l.conn.Client().Go("Callback.Notify", &batch{Next: 1}, &protocol.Ack{}, nil)
						return
					}
					nc.Write(test.say)
				})
				return nil
			})
			c := dialledBack(s, momclient.Options{})
			end := endingOf(c)
			c.MustSubscribe()
			time.Sleep(2 * time.Second)
			if err := end.is(); (err == nil) != (test.ended == "") || err != nil && (!errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), test.ended)) {
				t.Errorf("%s: %v; want %q", name, err, test.ended)
			}
			c.Close()
		})
	}
}

// deaf is a server behind a pipe that greets well, accepts the subscription
// without looking at it, says what it is to say and reads nothing more.
func deaf(nc net.Conn, say []byte) (said int) {
	var head [5]byte
	protocol.ReadHello(nc)
	protocol.Accept(nc, protocol.Welcome{Epoch: uuid.UUID{1}, Heartbeat: time.Minute, MaxMessage: 1 << 16})
	io.ReadFull(nc, head[:])
	io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
	said, _ = nc.Write(say)
	return said
}

// TestUnreadAnswers: a server that calls on and on and never reads the answers
// is refused as soon as more of them wait than a server may have calls
// unanswered, whatever it calls for. Up to that it is taken for a slow one.
func TestUnreadAnswers(t *testing.T) {
	// Each has an event, which is not decoded, because the handler has the first.
	enc, id := protocol.NewEventEncoder(), uuid.UUID{1}
	def, data, err := enc.Encode(&wire.Event{Seq: 1, JobID: id, RunID: id}, new(protocol.RunDefs), 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	first := notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: append(new(protocol.SentDefs).Append(nil, def), data...)})
	each := attack.Frame(1, attack.NextCall("Callback.Notify", &batch{Next: 2, Count: 1, Events: []byte{0}}))
	many := append(first[:len(first):len(first)], bytes.Repeat(each, 20_000)...)
	allowed := append(first[:len(first):len(first)], bytes.Repeat(each, 4_000)...)
	synctest.Test(t, func(t *testing.T) {
		said, after, err := unread(many)
		if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "has too many calls outstanding") || after != 0 {
			t.Errorf("after %v: %v", after, err)
		}
		if each := len(each); said < 4096*each || said > 3*4096*each {
			t.Errorf("%d of %d bytes were taken, %d a call", said, len(many), each)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		said, after, err := unread(allowed)
		if !errors.Is(err, wire.Timeout) || said != len(allowed) || after != 10*time.Second {
			t.Errorf("after %v and %d of %d bytes: %v", after, said, len(allowed), err)
		}
	})
}

// unread subscribes to a deaf server. It returns how much of what that says is
// taken, and when and why the connection ended.
func unread(say []byte) (said int, after time.Duration, err error) {
	near, far := net.Pipe()
	c := momclient.New("deaf:1", momclient.Options{Queue: 1 << 20, DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
	defer c.Close()
	ended, stopped, handling := make(chan error, 1), make(chan int, 1), make(chan bool)
	defer close(handling)
	c.OnEvent(func(wire.Event) { <-handling })
	c.OnConnection(func(st momclient.ConnectionStatus) {
		if st.Kind == momclient.Lost {
			ended <- st.Err
		}
	})
	go func() { stopped <- deaf(far, say) }()
	start := time.Now()
	c.Subscribe(context.Background())
	err = <-ended
	return <-stopped, time.Since(start), err
}

// TestUntoldBytes: a server that has used up its credit for bytes, and goes on
// within its credit for events, is left.
func TestUntoldBytes(t *testing.T) {
	const large = 1 << 20
	enc, id := protocol.NewEventEncoder(), uuid.UUID{1}
	var known protocol.SentDefs
	def, data, err := enc.Encode(&wire.Event{Seq: 1, JobID: id, RunID: id}, new(protocol.RunDefs), 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	for n, more := range map[int]bool{2: false, 3: true} { // with the first event, two go over
		s, handling, ended := newLiar(t), make(chan bool), make(chan error, 1)
		lie := notify(batch{Next: 2, Count: 1, Types: enc.Types(), Events: append(known.Append(nil, def), data...)})
		for i := range n {
			b := batch{Next: uint64(i + 3), Count: 1, Events: make([]byte, large)}
			lie = append(lie, attack.Frame(1, attack.NextCall("Callback.Notify", &b))...)
		}
		c := momclient.New(s.l.Addr().String(), momclient.Options{QueueBytes: 2 * large, MaxMessage: 2*large + 4096})
		c.OnEvent(func(wire.Event) { <-handling })
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Lost {
				ended <- st.Err
			}
		})
		s.send <- append(lie, attack.Frame(7, nil)...) // no kind of frame ends it at last
		c.Subscribe(context.Background())
		if err := <-ended; !errors.Is(err, wire.ProtocolError) || strings.Contains(err.Error(), "Options.QueueBytes") != more {
			t.Errorf("%d batches: %v", n, err)
		}
		close(handling)
		c.Close()
		known = protocol.SentDefs{}
	}
}
