package momserver_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/attack"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/harness"
)

// TestHeld measures what peers of each kind make the server hold at most, and
// compares it with what README says of one connection and of one subscriber.
func TestHeld(t *testing.T) {
	const peers = 32
	greeted := func(s *harness.Server) net.Conn {
		nc := s.Dial()
		if _, err := protocol.Greet(nc, "", 1<<40); err != nil {
			s.T.Fatal(err)
		}
		return nc
	}
	long := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("%030d", i))
		}
		return names
	}
	ids := make([]uuid.UUID, wire.MaxFilterItems)
	for i := range ids {
		ids[i] = uuid.New()
	}
	most := protocol.Credit{Events: 1 << 20, Bytes: 1 << 40}
	keys := []tls.Certificate{certs.NewAuthority().Issue("server", time.Hour, "server")}
	half := func(bytes int) func(*harness.Server) net.Conn {
		return func(s *harness.Server) net.Conn {
			nc := s.Dial()
			go nc.Write(longHello()[:bytes])
			return nc
		}
	}
	for name, tc := range map[string]struct {
		most  int // KiB, as README says
		begin func(s *harness.Server) net.Conn
		tls   *tls.Config
	}{
		"silent":               {most: 64, begin: func(s *harness.Server) net.Conn { return s.Dial() }},
		"half a TLS handshake": {most: 64, begin: half(16 << 10), tls: &tls.Config{Certificates: keys}},
		"half a TLS handshake with a certificate": {most: 160, begin: half(64 << 10), tls: &tls.Config{Certificates: keys, ClientAuth: tls.RequireAnyClientCert}},
		"idle": {most: 64, begin: greeted},
		"half a message": {most: 160, begin: func(s *harness.Server) net.Conn {
			nc := greeted(s)
			go nc.Write(append([]byte{1, 0, 1, 0, 0}, make([]byte, 64<<10-1)...))
			return nc
		}},
		"unread pages": {most: 256, begin: func(s *harness.Server) net.Conn {
			nc := greeted(s)
			go nc.Write(calls(15, protocol.MethodHistory, &asks{}))
			return nc
		}},
		"never reads": {most: 768, begin: func(s *harness.Server) net.Conn {
			nc := greeted(s)
			go nc.Write(attack.Frame(1, attack.Call(protocol.MethodSubscribe, &protocol.SubscribeArgs{From: wire.FromOldest, Credit: most})))
			return nc
		}},
		"never reads, with the longest filter": {most: 768, begin: func(s *harness.Server) net.Conn {
			nc := greeted(s)
			filter := wire.Filter{Jobs: ids, Names: append(long(900), "job")}
			go nc.Write(attack.Frame(1, attack.Call(protocol.MethodSubscribe, &protocol.SubscribeArgs{From: wire.FromOldest, Credit: most, Filter: filter})))
			return nc
		}},
	} {
		harness.Serve(t, momserver.Config{TLS: tc.tls}, func(s *harness.Server) {
			for range 300 {
				e := harness.Event(s.JobID, s.RunID, "job", wire.Transferring)
				for range 100 {
					e.Data.Status.Log = append(e.Data.Status.Log, wire.LogEntry{Message: strings.Repeat("x", 500)})
				}
				s.Must(e)
			}
			held := func() int {
				synctest.Wait()
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return int(m.HeapInuse + m.StackInuse)
			}
			var all []net.Conn
			all = append(all, tc.begin(s))
			before := held()
			for range peers {
				all = append(all, tc.begin(s))
			}
			each := (held() - before) / peers >> 10
			subscribers := 0
			if strings.HasPrefix(name, "never reads") {
				subscribers = peers + 1
			}
			if tc.tls != nil { // what follows is refused
				for _, nc := range all {
					nc.Write([]byte{0})
				}
				if synctest.Wait(); s.Stats().Connections > 0 {
					t.Errorf("%s: %d connections are left", name, s.Stats().Connections)
				}
			}
			if each > tc.most*attack.RaceFactor || s.Stats().Subscribers != subscribers {
				t.Errorf("%s: each of %d subscribers and %d connections holds %d KiB; want %d at most", name, s.Stats().Subscribers, s.Stats().Connections, each, tc.most)
			}
			for _, nc := range all {
				nc.Close()
			}
		})
	}
}

// longHello returns the beginning of a TLS handshake with a ClientHello that is as
// long as crypto/tls takes it, and whose last bytes do not come.
func longHello() (records []byte) {
	const record = 1 << 14
	message := make([]byte, 4*record)
	copy(message, []byte{1, 0, 0xff, 0xfc})
	for part := range slices.Chunk(message[:len(message)-1], record) {
		records = append(records, 22, 3, 1)
		records = append(binary.BigEndian.AppendUint16(records, uint16(len(part))), part...)
	}
	return records
}
