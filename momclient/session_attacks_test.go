package momclient_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
)

// liar is a server that greets well, takes the call of Subscribe, and then
// sends what it is told to. One that speaks another protocol sends that at once.
type liar struct {
	l     net.Listener
	send  chan []byte
	other bool // it speaks another protocol
}

func newLiar(t *testing.T) *liar { return startLiar(t, new(liar)) }

func startLiar(t *testing.T, s *liar) *liar {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.l, s.send = l, make(chan []byte, 1)
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
	if s.other || s.greet(nc) == nil {
		nc.Write(<-s.send)
		io.Copy(io.Discard, nc) // until the client closes
	}
}

// greet takes the greeting and the call of Subscribe.
func (s *liar) greet(nc net.Conn) error {
	var head [5]byte
	if _, err := protocol.ReadHello(nc); err != nil {
		return err
	}
	protocol.Accept(nc, protocol.Welcome{Epoch: uuid.UUID{1}, Heartbeat: time.Minute, MaxMessage: 1 << 16})
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, nc, int64(binary.BigEndian.Uint32(head[1:])))
	return err
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
	return attack.Frame(2, attack.Encode(&response{Seq: 0}, &subscribed{Head: 1}))
}

func notify(b batch) []byte {
	return append(welcomed(), attack.Frame(1, attack.Call("Callback.Notify", &b))...)
}

// attacked is a client that subscribes to a liar. It returns why that ended.
func attacked(t *testing.T, name string, s *liar, lie []byte) error {
	t.Helper()
	return attackedWith(t, momclient.Options{}, name, s, lie)
}

func attackedWith(t *testing.T, opts momclient.Options, name string, s *liar, lie []byte) error {
	t.Helper()
	c := momclient.New(s.l.Addr().String(), opts)
	defer c.Close()
	ended := make(chan error, 4)
	c.OnConnection(func(st momclient.ConnectionStatus) {
		if st.Kind == momclient.Lost || st.Kind == momclient.Refused {
			ended <- st.Err
		}
	})
	c.OnEvent(func(e wire.Event) { t.Errorf("%s: event %d was delivered", name, e.Seq) })
	s.send <- lie
	c.Subscribe(context.Background())
	select {
	case err := <-ended:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: the client goes on", name)
		return nil
	}
}

// TestClientUnderAttack: a hostile server's every attack ends the connection
// to it, at once and cheaply, and leaves nothing running.
func TestClientUnderAttack(t *testing.T) {
	s := newLiar(t)
	worst := attack.Cost{}
	check := func(name string, lie []byte) {
		t.Helper()
		var err error
		c := attack.Refused(t, name, func() { err = attacked(t, name, s, lie) })
		if !errors.Is(err, wire.ProtocolError) && !errors.Is(err, wire.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%-46s %7d bytes sent, %6d allocated, %v", name, len(lie), c.Bytes, c.Time)
		worst = attack.Cost{Time: max(worst.Time, c.Time), Bytes: max(worst.Bytes, c.Bytes)}
	}
	types := protocol.NewEventEncoder().Types()
	for _, a := range attack.Attacks("Callback.Notify") {
		check(a.Name, append(welcomed(), attack.Frame(1, a.Payload)...))
		check(a.Name+", as a reply", attack.Frame(2, a.Payload))
		if len(a.Payload) > 0 {
			check(a.Name+", as types", notify(batch{Next: 2, Count: 1, Types: a.Payload, Events: []byte{0}}))
		}
		check(a.Name+", as events", notify(batch{Next: 2, Count: 1, Types: types, Events: a.Payload}))
	}
	for _, a := range attack.LongAttacks("Callback.Notify") {
		check(a.Name, append(welcomed(), attack.Frame(1, a.Payload)...))
		check(a.Name+", as a reply", attack.Frame(2, a.Payload))
	}
	check("a frame of 4 GiB", []byte{1, 0xff, 0xff, 0xff, 0xff})
	check("more events than there is room for", notify(batch{Next: 1 << 30, Count: 1 << 30, Types: types, Events: []byte{0}}))
	check("more events than an int has", notify(batch{Next: 1 << 32, Count: 1<<32 - 1, Types: types, Events: []byte{0}}))
	twice := batch{Next: 2, Missed: 1, Types: types}
	check("types twice", append(notify(twice), attack.Frame(1, attack.NextCall("Callback.Notify", &twice))...))
	check("a log of 60,000 entries", notify(batch{Next: 2, Count: 1, Types: types, Events: longLog(t, 60_000)}))
	check("events before types", notify(batch{Next: 2, Count: 1, Events: []byte{0}}))
	check("a place before the beginning", notify(batch{Types: types}))
	t.Logf("worst: %d bytes, %v", worst.Bytes, worst.Time)
}

// TestServersOfAnotherKind, or that say half a message, are left when it is
// clear that they are, and cost next to nothing.
func TestServersOfAnotherKind(t *testing.T) {
	other, half := startLiar(t, &liar{other: true}), newLiar(t)
	quick := momclient.Options{DialTimeout: 50 * time.Millisecond}
	for _, tc := range []struct {
		name string
		opts momclient.Options
		s    *liar
		says string
		is   error
	}{
		{"HTTP", momclient.Options{}, other, "HTTP/1.1 400 Bad Request\r\n\r\n", wire.NotMoM},
		{"SSH", momclient.Options{}, other, "SSH-2.0-OpenSSH_9.9\r\n", wire.NotMoM},
		{"a megabyte", momclient.Options{}, other, strings.Repeat("\x00", 1<<20), wire.NotMoM},
		{"a long refusal", momclient.Options{}, other, "MoM\x01\x01\x01\xff\xff" + strings.Repeat("x", 1<<16), wire.NotMoM},
		{"one byte", quick, other, "M", wire.Timeout},
		{"nothing", quick, other, "", wire.Timeout},
		{"half a message", momclient.Options{CallTimeout: 200 * time.Millisecond}, half, string(append(welcomed(), 1, 0, 0x3f, 0xff, 0xff, 1, 2, 3)), wire.Stalled},
	} {
		says, err := []byte(tc.says), error(nil)
		c := attack.Refused(t, tc.name, func() { err = attackedWith(t, tc.opts, tc.name, tc.s, says) })
		if !errors.Is(err, tc.is) {
			t.Errorf("%s: %v", tc.name, err)
		}
		t.Logf("%-46s %7d bytes sent, %6d allocated, %v", tc.name, len(tc.says), c.Bytes, c.Time)
	}
}

// TestMoreHistory than was asked for is not taken.
func TestMoreHistory(t *testing.T) {
	s := newLiar(t)
	type response struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	for count, is := range map[uint32]error{2: nil, 3: wire.ProtocolError} {
		enc, id := protocol.NewEventEncoder(), uuid.UUID{1}
		var common protocol.RunDefs
		var known protocol.SentDefs
		page := protocol.Page{Next: 4, Count: count, Types: enc.Types()}
		for seq := range count {
			def, data, err := enc.Encode(&wire.Event{Seq: uint64(seq) + 1, JobID: id, RunID: id}, &common, 1<<16)
			if err != nil {
				t.Fatal(err)
			}
			page.Events = append(known.Append(page.Events, def), data...)
		}
		s.send <- attack.Frame(2, attack.Encode(&response{}, &page))
		c := momclient.New(s.l.Addr().String(), momclient.Options{})
		events, _, err := c.History(context.Background(), wire.Cursor{}, 2)
		if !errors.Is(err, is) || err == nil && len(events) != 2 {
			t.Errorf("%d events for 2: %d taken, %v", count, len(events), err)
		}
		c.Close()
	}
	// Nor a page of more than any server sends, where no number was asked for;
	// one of as many is decoded, and found to have none.
	for count, says := range map[uint32]string{1<<16 + 1: "a page of 65537 events", 1 << 16: "cut off"} {
		s.send <- attack.Frame(2, attack.Encode(&response{}, &protocol.Page{Next: 1, Count: count}))
		c := momclient.New(s.l.Addr().String(), momclient.Options{})
		defer c.Close()
		_, _, err := c.History(context.Background(), wire.Cursor{}, 0)
		if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "a page of") != (count > 1<<16) {
			t.Errorf("a page of %d: %v", count, err)
		}
	}
}

// longLog is an event with so many log entries, which the encoder would not
// write.
func longLog(t *testing.T, n int) []byte {
	t.Helper()
	enc := protocol.NewEventEncoder()
	_, data, err := enc.Encode(&wire.Event{Seq: 1, Data: wire.TransferData{Status: wire.Status{Log: make([]wire.LogEntry, 1)}}}, new(protocol.RunDefs), 1<<20)
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
	return attack.Resized(value)
}
