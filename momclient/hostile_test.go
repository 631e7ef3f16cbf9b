package momclient_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/wire"
	"mom/wire/wiretest"
)

// liar is a server that greets well, takes the call of Subscribe, and then
// sends what it is told to.
type liar struct {
	l    net.Listener
	send chan []byte
}

func newLiar(t *testing.T) *liar {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &liar{l, make(chan []byte, 1)}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.lie(nc)
		}
	}()
	return s
}

func (s *liar) lie(nc net.Conn) {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	var head [5]byte
	if _, err := wire.ReadHello(nc); err != nil {
		return
	}
	wire.Accept(nc, wire.Welcome{Epoch: uuid.UUID{1}, Heartbeat: time.Minute, MaxMessage: 1 << 16})
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return
	}
	io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
	nc.Write(<-s.send)
	io.Copy(io.Discard, nc) // until the client closes
}

// batch is a batch's fields, for batches that no server makes.
type batch struct {
	Next, Missed             uint64
	Pending, Snapshot, Count uint32
	Types, Events            []byte
}

// welcomed is a reply that accepts the subscription.
func welcomed() []byte {
	type response struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	type subscribed struct{ Head uint64 }
	return wiretest.Frame(2, wiretest.Encode(&response{Seq: 0}, &subscribed{Head: 1}))
}

func notify(b batch) []byte {
	return append(welcomed(), wiretest.Frame(1, wiretest.Call("Callback.Notify", &b))...)
}

// TestClientUnderAttack: a hostile server's every attack ends the connection
// to it, cheaply, and leaves nothing running.
func TestClientUnderAttack(t *testing.T) {
	s := newLiar(t)
	worst := uint64(0)
	check := func(name string, lie []byte) {
		t.Helper()
		c := momclient.New(s.l.Addr().String(), momclient.Options{})
		ended := make(chan error, 4)
		c.OnConnection(func(st momclient.ConnectionStatus) {
			if st.Kind == momclient.Lost || st.Kind == momclient.Refused {
				ended <- st.Err
			}
		})
		c.OnEvent(func(e wire.Event) { t.Errorf("%s: event %d was delivered", name, e.Seq) })
		before := runtime.NumGoroutine()
		var from, to runtime.MemStats
		runtime.ReadMemStats(&from)
		s.send <- lie
		c.Subscribe(context.Background())
		var err error
		select {
		case err = <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: the client goes on", name)
		}
		runtime.ReadMemStats(&to)
		if !errors.Is(err, wire.ErrProtocol) && !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		cost := to.TotalAlloc - from.TotalAlloc
		if cost > 512<<10 {
			t.Errorf("%s: %d bytes allocated for %d sent", name, cost, len(lie))
		}
		worst = max(worst, cost)
		c.Close()
		for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%s: %d goroutines, %d before:\n%s", name, runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			}
		}
	}
	types := wire.NewEventEncoder().Types()
	for _, a := range wiretest.Attacks("Callback.Notify") {
		check(a.Name, append(welcomed(), wiretest.Frame(1, a.Payload)...))
		check(a.Name+", as a reply", wiretest.Frame(2, a.Payload))
		if len(a.Payload) > 0 {
			check(a.Name+", as types", notify(batch{Next: 2, Count: 1, Types: a.Payload, Events: []byte{0}}))
		}
		check(a.Name+", as events", notify(batch{Next: 2, Count: 1, Types: types, Events: a.Payload}))
	}
	check("a frame of 4 GiB", []byte{1, 0xff, 0xff, 0xff, 0xff})
	check("more events than there is room for", notify(batch{Next: 1 << 30, Count: 1 << 30, Types: types, Events: []byte{0}}))
	check("a log of 60,000 entries", notify(batch{Next: 2, Count: 1, Types: types, Events: longLog(t, 60_000)}))
	check("events before types", notify(batch{Next: 2, Count: 1, Events: []byte{0}}))
	check("a place before the beginning", notify(batch{Types: types}))
	t.Logf("worst: %d bytes", worst)
}

// TestMoreHistory than was asked for is not taken.
func TestMoreHistory(t *testing.T) {
	s := newLiar(t)
	type response struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	for count, is := range map[uint32]error{2: nil, 3: wire.ErrProtocol} {
		enc, id := wire.NewEventEncoder(), uuid.UUID{1}
		var common wire.Common
		var known wire.Known
		page := wire.Page{Next: 4, Count: count, Types: enc.Types()}
		for seq := range count {
			def, data, err := enc.Encode(&wire.Event{Seq: uint64(seq) + 1, JobID: id, RunID: id}, &common, 1<<16)
			if err != nil {
				t.Fatal(err)
			}
			page.Events = append(known.Append(page.Events, def), data...)
		}
		s.send <- wiretest.Frame(2, wiretest.Encode(&response{}, &page))
		c := momclient.New(s.l.Addr().String(), momclient.Options{})
		events, _, err := c.History(context.Background(), wire.Cursor{}, 2)
		if !errors.Is(err, is) || err == nil && len(events) != 2 {
			t.Errorf("%d events for 2: %d taken, %v", count, len(events), err)
		}
		c.Close()
	}
	// Nor a page of more than any server sends, where no number was asked for.
	s.send <- wiretest.Frame(2, wiretest.Encode(&response{}, &wire.Page{Next: 1, Count: 1<<16 + 1}))
	c := momclient.New(s.l.Addr().String(), momclient.Options{})
	defer c.Close()
	if _, _, err := c.History(context.Background(), wire.Cursor{}, 0); !errors.Is(err, wire.ErrProtocol) || !strings.Contains(err.Error(), "a page of 65537 events") {
		t.Errorf("a page of too many: %v", err)
	}
}

// longLog is an event with so many log entries, which the encoder would not
// write.
func longLog(t *testing.T, n int) []byte {
	t.Helper()
	enc := wire.NewEventEncoder()
	_, data, err := enc.Encode(&wire.Event{Seq: 1, Data: wire.TransferData{Status: wire.Status{Log: make([]wire.LogEntry, 1)}}}, new(wire.Common), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	// The one entry is a zero behind the count, one; nothing follows it but the
	// end of the event.
	if end := data[len(data)-3:]; string(end) != "\x01\x00\x00" {
		t.Fatalf("an event with one empty entry ends % x", end)
	}
	value := append(data[:len(data)-3:len(data)-3], 0xfd, byte(n>>16), byte(n>>8), byte(n))
	value = append(value, make([]byte, n+1)...)
	return wiretest.Resized(value)
}
