package momserver_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
)

// flooded is a server with a full cache of events that make the largest pages, a
// log, and a subscriber that must not notice.
type flooded struct {
	t    *testing.T
	log  *logged
	addr string
	by   *bystander
}

// underFlood returns one that waits for hours where it waits for a peer.
func underFlood(t *testing.T) *flooded {
	t.Helper()
	f := &flooded{t: t, log: new(logged)}
	srv, addr := loopback(t, momserver.Config{
		CacheBytes: 8 << 20, CallTimeout: time.Hour, MessageTimeout: time.Hour, IdleTimeout: time.Hour, Logger: f.log.logger(), LogPerSecond: 1000,
	})
	big := strings.Repeat("x", 47_000)
	for range 200 {
		err := srv.Publish(wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: big}, Status: wire.Status{State: wire.JobCompleted},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.addr, f.by = addr, newBystander(t, srv, addr)
	return f
}

// connect returns a greeted connection that stays open until the test is over.
func (f *flooded) connect() *net.TCPConn {
	nc := greeted(f.t, f.addr)
	f.t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// calls returns n calls as frames, the first with the definitions.
func calls(n int, method string, args any) []byte {
	first := attack.Frame(1, attack.Call(method, args))
	return append(first, bytes.Repeat(attack.Frame(1, attack.NextCall(method, args)), n-1)...)
}

// The arguments, as a stranger has them.
type (
	nothing struct{ Unused bool }
	asks    struct{ Max uint32 }
)

// TestFloodOfCalls: many calls at once are refused at once, whether or not
// their replies are read and the sender has closed its half.
func TestFloodOfCalls(t *testing.T) {
	f := underFlood(t)
	for name, flood := range map[string][]byte{
		"100,000 calls":                 calls(100_000, protocol.MethodPing, &nothing{}),
		"100,000 calls of no method":    calls(100_000, "MoM.None", &nothing{}),
		"7,000 calls of large replies":  calls(7_000, protocol.MethodHistory, &asks{}),
		"7,000 calls for all jobs":      calls(7_000, protocol.MethodJobs, &protocol.JobsArgs{}),
		"one call more than is allowed": calls(17, protocol.MethodHistory, &asks{}),
	} {
		for way, after := range map[string]func(*net.TCPConn){
			"": func(*net.TCPConn) {}, ", half-closed": func(nc *net.TCPConn) { nc.CloseWrite() }, ", read": func(nc *net.TCPConn) { heard(t, name, nc) },
		} {
			c := attack.Refused(t, name+way, func() {
				nc := f.connect()
				nc.Write(flood)
				after(nc)
			})
			t.Logf("%-44s %7d bytes sent, %6d allocated, %v", name+way, len(flood), c.Bytes, c.Time)
			f.log.until(t, "has too many calls outstanding")
			f.log.clear()
			f.by.check(name + way)
		}
	}
}

// paddedCalls returns n calls, each so long that few are read ahead.
func paddedCalls(n int, method string, args any) []byte {
	type request struct {
		ServiceMethod string
		Seq           uint64
		Padding       []byte
	}
	var out []byte
	padding := make([]byte, 200)
	first := attack.Encode(&request{method, 1, padding}, args)
	out = append(out, attack.Frame(1, first)...)
	return append(out, bytes.Repeat(attack.Frame(1, attack.WithoutDefinitions(first)), n-1)...)
}

// TestUnreadReplies: who calls on, a little at a time, while its replies do not
// leave any more is refused as soon. What it costs is the replies that left.
func TestUnreadReplies(t *testing.T) {
	f := underFlood(t)
	limit := attack.Cost{Time: 10 * attack.MaxRefusal.Time, Bytes: attack.MaxRefusal.Bytes}
	for name, flood := range map[string][]byte{
		"large replies": paddedCalls(2_000, protocol.MethodHistory, &asks{}),
		"all jobs":      paddedCalls(2_000, protocol.MethodJobs, &protocol.JobsArgs{}),
	} {
		for way, after := range map[string]func(*net.TCPConn){
			"": func(*net.TCPConn) {}, ", half-closed": func(nc *net.TCPConn) { nc.CloseWrite() },
		} {
			c := attack.Within(t, name+way, limit, func() {
				nc := f.connect()
				nc.Write(flood)
				after(nc)
			})
			t.Logf("%-44s %7d bytes sent, %6d allocated, %v", name+way, len(flood), c.Bytes, c.Time)
			f.log.until(t, "has too many calls outstanding")
			f.log.clear()
			f.by.check(name + way)
		}
	}
}

// TestUnreadPages: as many calls as are allowed are answered, as far as the
// socket takes it, and a half-close then ends it all.
func TestUnreadPages(t *testing.T) {
	f := underFlood(t)
	sixteen := calls(16, protocol.MethodHistory, &asks{})
	attack.Within(t, "pages", attack.Cost{Time: 10 * attack.MaxRefusal.Time, Bytes: attack.MaxRefusal.Bytes}, func() {
		nc := f.connect()
		nc.Write(sixteen)
		nc.CloseWrite()
	})
	f.log.until(t, "closed the connection")
	f.by.check("pages")
}
