package momclient_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
)

// batches returns n batches as calls, the first with types.
func batches(n int, b batch) []byte {
	b.Types = protocol.NewEventEncoder().Types()
	first := notify(b)
	b.Types = nil
	return append(first, bytes.Repeat(attack.Frame(1, attack.NextCall("Callback.Notify", &b)), n-1)...)
}

// TestFloodOfBatches without news is refused at once.
func TestFloodOfBatches(t *testing.T) {
	s := newLiar(t)
	flood := batches(100_000, batch{Next: 2})
	var err error
	c := attack.Refused(t, "batches", func() { err = attacked(t, "batches", s, flood) })
	if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "sent too many empty batches") {
		t.Error(err)
	}
	t.Logf("%d bytes sent, %d allocated, %v", len(flood), c.Bytes, c.Time)
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
	gaps := batches(20_000, batch{Next: 2, Missed: 1})
	allowed := batches(4_000, batch{Next: 2, Missed: 1})
	synctest.Test(t, func(t *testing.T) {
		said, after, err := unread(gaps)
		if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "has too many calls outstanding") || after != 0 {
			t.Errorf("after %v: %v", after, err)
		}
		if each := len(gaps) / 20_000; said < 4096*each || said > 3*4096*each {
			t.Errorf("%d of %d bytes were taken, %d a call", said, len(gaps), each)
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
	c := momclient.New("deaf:1", momclient.Options{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
	defer c.Close()
	ended, stopped := make(chan error, 1), make(chan int, 1)
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
