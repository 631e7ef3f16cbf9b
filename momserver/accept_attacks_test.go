package momserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// bystander is a subscriber that must not notice.
type bystander struct {
	t      *testing.T
	srv    *momserver.Server
	events chan wire.Event
	stream *invariant.Stream
	seq    uint64
	job    uuid.UUID
}

func newBystander(t *testing.T, srv *momserver.Server, addr string) *bystander {
	b := &bystander{t: t, srv: srv, events: make(chan wire.Event, 16), job: uuid.New(), seq: srv.Stats().Published}
	b.stream = invariant.NewStream(invariant.Unknown(), wire.Filter{}, invariant.Fails(t)) // there may be events before it
	c := momclient.New(addr, momclient.Options{Name: "bystander"})
	t.Cleanup(func() { c.Close() })
	c.OnEvent(func(e wire.Event) { b.events <- e })
	if err := c.Subscribe(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.check("before")
	return b
}

// check publishes an event, which must come, as the next.
func (b *bystander) check(name string) {
	b.t.Helper()
	b.seq++
	err := b.srv.Publish(harness.Event(b.job, b.job, "", wire.Transferring))
	if err != nil {
		b.t.Fatal(err)
	}
	select {
	case e := <-b.events:
		b.stream.Event(e)
		if got, want := b.stream.Told(), (invariant.Told{Fresh: 1, Last: b.seq}); got != want {
			b.t.Errorf("%s: the bystander was told %+v; want %+v", name, got, want)
		}
	case <-time.After(20 * time.Second):
		b.t.Fatalf("%s: the bystander got nothing", name)
	}
}

// greeted returns a greeted connection.
func greeted(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc := dialRaw(t, addr)
	if _, err := protocol.Greet(nc, "", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	return nc
}

// heard reads until the server closes. It fails where it does not.
func heard(t *testing.T, name string, nc net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(io.LimitReader(nc, 1<<20))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s: the connection stays open", name)
	}
	nc.Close()
	return got
}

// TestServerUnderAttack sends every attack to a real server: each ends its own
// connection, at once and cheaply, and nobody else notices.
func TestServerUnderAttack(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{FailuresPerMinute: 1000})
	by := newBystander(t, srv, addr)
	worst := attack.Cost{}
	check := func(name string, send []byte) {
		t.Helper()
		c := attack.Refused(t, name, func() {
			nc := greeted(t, addr)
			nc.Write(send)
			heard(t, name, nc)
		})
		t.Logf("%-36s %6d bytes sent, %6d allocated, %v with connecting", name, len(send), c.Bytes, c.Time)
		worst = attack.Cost{Time: max(worst.Time, c.Time), Bytes: max(worst.Bytes, c.Bytes)}
		by.check(name)
	}
	for _, a := range attack.Attacks("MoM.Subscribe") {
		check(a.Name, attack.Frame(1, a.Payload))
		check(a.Name+", as a reply", attack.Frame(2, a.Payload))
	}
	check("gob without frames", attack.Attacks("MoM.Ping")[0].Payload)
	check("a frame of 4 GiB", []byte{1, 0xff, 0xff, 0xff, 0xff})
	check("a frame over MaxMessage", attack.Frame(1, make([]byte, 64<<10+1)))
	check("a method of 1 MB", attack.Frame(1, attack.LongMethod(1<<20)))
	t.Logf("worst: %d bytes, %v", worst.Bytes, worst.Time)
	if d := srv.Stats().Drops; len(d) > 0 {
		t.Errorf("dropped: %v", d)
	}
}

// TestStrangersAtTheDoor say other things than a greeting, or nothing. They are
// gone when the time for the greeting is over, and cost next to nothing.
func TestStrangersAtTheDoor(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{HandshakeTimeout: 50 * time.Millisecond, FailuresPerMinute: 1000})
	by := newBystander(t, srv, addr)
	for _, word := range []string{
		"", "M", "MoM\x01", "MoM\x01\x01\x04", "MoM\x01\x01\x00\x09sesame", "MoM\x01\x01\xff\xff" + strings.Repeat("t", 1<<16), "MoM\x01\x02\x00\x00",
		"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "\x16\x03\x01\x02\x00" + strings.Repeat("x", 512),
		strings.Repeat("\x00", 1<<20), "\x7f",
	} {
		name, sent := word[:min(len(word), 8)], []byte(word)
		attack.Refused(t, name, func() {
			nc := dialRaw(t, addr)
			nc.Write(sent)
			nc.SetReadDeadline(time.Now().Add(20 * time.Second))
			if said := heard(t, name, nc); len(said) > 600 || bytes.Contains(said, []byte("sesame")) {
				t.Errorf("%q: the server said %q", name, said)
			}
		})
		by.check(name)
	}
}

// TestLongMethod is answered without a word of it.
func TestLongMethod(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{})
	by := newBystander(t, srv, addr)
	call := attack.Frame(1, attack.LongMethod(60_000))
	attack.Refused(t, "method", func() {
		nc := greeted(t, addr)
		defer nc.Close()
		nc.Write(call)
		var head [5]byte
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, int(head[3])<<8|int(head[4]))
		io.ReadFull(nc, said)
		if !bytes.Contains(said, []byte("mom:unknown-method:0:no such method")) || bytes.Contains(said, []byte("xx")) || len(said) > 300 {
			t.Errorf("the answer is %q", said)
		}
	})
	by.check("method")
}

// TestHalfAMessage is waited for as long as MessageTimeout says, in a buffer
// that is no larger than what came.
func TestHalfAMessage(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{MaxMessage: 64 << 20, MessageTimeout: 50 * time.Millisecond})
	by := newBystander(t, srv, addr)
	attack.Refused(t, "half", func() {
		nc := greeted(t, addr)
		nc.Write(append([]byte{1, 3, 0, 0, 0}, make([]byte, 100)...)) // of 48 MiB
		heard(t, "half", nc)
	})
	by.check("half")
}
