package momserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
	"mom/wire/wiretest"
)

// maxCost is what an attack may make its victim allocate.
const maxCost = 512 << 10

// cost is what a peer's bytes came to.
type cost struct {
	bytes uint64
	took  time.Duration
}

// measure runs an attack and what ends it. It waits until no more goroutines
// run than before: the victim's are gone, and with them what they burn.
func measure(t *testing.T, name string, attack func()) cost {
	t.Helper()
	before := goroutines()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	start := time.Now()
	attack()
	took := time.Since(start)
	runtime.ReadMemStats(&to)
	for deadline := time.Now().Add(20 * time.Second); goroutines() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: %d goroutines, %d before:\n%s", name, goroutines(), before, buf[:runtime.Stack(buf, true)])
		}
	}
	return cost{to.TotalAlloc - from.TotalAlloc, took}
}

func goroutines() int { return runtime.NumGoroutine() }

// bystander is a subscriber that must not notice.
type bystander struct {
	t      *testing.T
	srv    *momserver.Server
	events chan wire.Event
	seq    uint64
	job    uuid.UUID
}

func newBystander(t *testing.T, srv *momserver.Server, addr string) *bystander {
	b := &bystander{t: t, srv: srv, events: make(chan wire.Event, 16), job: uuid.New(), seq: srv.Stats().Published}
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
	err := b.srv.Publish(wire.Event{JobID: b.job, RunID: b.job, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}})
	if err != nil {
		b.t.Fatal(err)
	}
	select {
	case e := <-b.events:
		if e.Seq != b.seq || e.Missed > 0 {
			b.t.Errorf("%s: the bystander got event %d, %d missed; want %d", name, e.Seq, e.Missed, b.seq)
		}
	case <-time.After(20 * time.Second):
		b.t.Fatalf("%s: the bystander got nothing", name)
	}
}

// greeted returns a greeted connection.
func greeted(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc := dialRaw(t, addr)
	if _, err := wire.Greet(nc, wire.Hello{Version: wire.Version}, 20*time.Second); err != nil {
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
	worst := cost{}
	check := func(name string, send []byte) {
		t.Helper()
		c := measure(t, name, func() {
			nc := greeted(t, addr)
			nc.Write(send)
			heard(t, name, nc)
		})
		if c.bytes > maxCost {
			t.Errorf("%s: %d bytes allocated for %d sent", name, c.bytes, len(send))
		}
		t.Logf("%-36s %6d bytes sent, %6d allocated, %v with connecting", name, len(send), c.bytes, c.took)
		worst = cost{max(worst.bytes, c.bytes), max(worst.took, c.took)}
		by.check(name)
	}
	for _, a := range wiretest.Attacks("MoM.Subscribe") {
		check(a.Name, wiretest.Frame(1, a.Payload))
		check(a.Name+", as a reply", wiretest.Frame(2, a.Payload))
	}
	check("gob without frames", wiretest.Attacks("MoM.Ping")[0].Payload)
	check("a frame of 4 GiB", []byte{1, 0xff, 0xff, 0xff, 0xff})
	check("a frame over MaxMessage", wiretest.Frame(1, make([]byte, 64<<10+1)))
	check("a method of 1 MB", wiretest.Frame(1, wiretest.LongMethod(1<<20)))
	t.Logf("worst: %d bytes, %v", worst.bytes, worst.took)
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
		c := measure(t, name, func() {
			nc := dialRaw(t, addr)
			nc.Write(sent)
			nc.SetReadDeadline(time.Now().Add(20 * time.Second))
			if said := heard(t, name, nc); len(said) > 600 || bytes.Contains(said, []byte("sesame")) {
				t.Errorf("%q: the server said %q", name, said)
			}
		})
		if c.bytes > maxCost {
			t.Errorf("%q: %d bytes allocated", name, c.bytes)
		}
		by.check(name)
	}
}

// TestLongMethod is answered without a word of it.
func TestLongMethod(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{})
	by := newBystander(t, srv, addr)
	call := wiretest.Frame(1, wiretest.LongMethod(60_000))
	c := measure(t, "method", func() {
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
	if c.bytes > maxCost {
		t.Errorf("%d bytes allocated", c.bytes)
	}
	by.check("method")
}

// TestHalfAMessage is waited for as long as MessageTimeout says, in a buffer
// that is no larger than what came.
func TestHalfAMessage(t *testing.T) {
	srv, addr := loopback(t, momserver.Config{MaxMessage: 64 << 20, MessageTimeout: 50 * time.Millisecond})
	by := newBystander(t, srv, addr)
	c := measure(t, "half", func() {
		nc := greeted(t, addr)
		nc.Write(append([]byte{1, 3, 0, 0, 0}, make([]byte, 100)...)) // of 48 MiB
		heard(t, "half", nc)
	})
	if c.bytes > maxCost {
		t.Errorf("%d bytes allocated", c.bytes)
	}
	by.check("half")
}

// TestFloodOfCalls: calls that are never read the answers of are served one at
// a time until the answers fill what may wait; then the client is not listened
// to any more, and closed when it has taken nothing for CallTimeout. Its half
// close pins nothing.
func TestFloodOfCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		method string
		args   any
		ends   string
	}{
		"small replies": {"MoM.Ping", struct{ Unused bool }{}, "closed the connection"},
		"large replies": {"MoM.History", struct{ Max uint32 }{}, "no progress in time"},
	} {
		log := new(logged)
		srv, addr := loopback(t, momserver.Config{CallTimeout: 300 * time.Millisecond, IdleTimeout: time.Hour, Logger: log.logger()})
		big := strings.Repeat("x", 60_000)
		for range 8 { // over the 256 KiB of a page
			err := srv.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
				Initialize: &wire.InitializeData{Name: big}, Status: wire.Status{State: wire.JobCompleted},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		by := newBystander(t, srv, addr)
		before := goroutines()
		nc := greeted(t, addr)
		call := wiretest.Frame(1, wiretest.Call(tc.method, tc.args))
		second := wiretest.Frame(1, wiretest.NextCall(tc.method, tc.args))
		flood := append(call, bytes.Repeat(second, 20_000)...)
		nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
		peak, done := 0, make(chan struct{})
		go func() {
			nc.Write(flood)
			nc.(*net.TCPConn).CloseWrite()
			close(done)
		}()
		var live runtime.MemStats
		for range 20 {
			peak = max(peak, goroutines())
			time.Sleep(time.Millisecond)
		}
		runtime.GC()
		runtime.ReadMemStats(&live)
		by.check(name)
		<-done
		for deadline := time.Now().Add(20 * time.Second); goroutines() > before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%s: %d goroutines, %d before:\n%s\n%s", name, goroutines(), before, log, buf[:runtime.Stack(buf, true)])
			}
		}
		if peak > before+5 { // the connection's three, and this test's
			t.Errorf("%s: %d goroutines, %d before", name, peak, before)
		}
		if live.HeapAlloc > 16<<20 {
			t.Errorf("%s: %d bytes of heap", name, live.HeapAlloc)
		}
		log.until(t, tc.ends)
		t.Logf("%s: %d bytes of heap, %d goroutines more", name, live.HeapAlloc, peak-before)
		by.check(name)
		nc.Close()
	}
}
