package sockets_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/invariant"
)

// bed is a server on a real socket, and what it has published.
type bed struct {
	t      *testing.T
	srv    *momserver.Server
	addr   string
	ledger invariant.Ledger
	runs   []invariant.Mark // the beginning of each
	own    *tls.Config      // of the server
	tls    *tls.Config      // of clients
	callee string           // the callback address of clients
	book   journal          // of subscriptions, where the server keeps it
	before load             // of the process, when nobody served yet

	reached atomic.Int64 // peers that have got to where they are stuck
}

// loopback is where servers listen. Before a server is started again there,
// another socket may take a port of 127.0.0.1, such as that of an outgoing
// connection. Linux has other loopback addresses, from which no program connects.
func loopback() string {
	if runtime.GOOS == "linux" {
		return "127.0.0.2:0"
	}
	return "127.0.0.1:0"
}

// serve starts a server that ends with the test.
func serve(t *testing.T, cfg momserver.Config) *bed {
	t.Helper()
	b := new(bed)
	b.serve(t, cfg)
	return b
}

func (b *bed) serve(t *testing.T, cfg momserver.Config) {
	t.Helper()
	b.t, b.srv = t, momserver.New(cfg)
	b.ledger.Begin(b.srv.Epoch())
	l, err := net.Listen("tcp", loopback())
	if err != nil {
		t.Fatal(err)
	}
	b.addr, b.before = l.Addr().String(), loaded()
	served := make(chan error, 1)
	go func() { served <- b.srv.Serve(l) }()
	t.Cleanup(func() {
		b.srv.Close()
		if err := <-served; !errors.Is(err, momserver.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// publish publishes n events of so many runs in turn, none of which ends.
func (b *bed) publish(n, runs int) {
	b.t.Helper()
	for len(b.runs) < runs {
		b.runs = append(b.runs, invariant.Mark{
			JobID: uuid.New(), Name: fmt.Sprint("job ", len(b.runs)), RunID: uuid.New(),
			State: wire.Transferring, Severity: wire.SeverityProcessing,
		})
	}
	for i := range n {
		m := b.runs[i%runs]
		b.ledger.Publish(m)
		err := b.srv.Publish(wire.Event{JobID: m.JobID, RunID: m.RunID, Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: m.Name},
			Status:     wire.Status{State: m.State},
		}})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// violated reports what does not hold of a client.
func (b *bed) violated(what string) invariant.Report {
	return func(v invariant.Violation) { b.t.Errorf("%s: %v", what, v) }
}

// replayBed has a server with a small cache and small batches, that keeps a
// journal.
func replayBed(t *testing.T, secured bool, callee string) *bed {
	b := &bed{callee: callee}
	cfg := momserver.Config{
		CacheEvents: 12, BatchBytes: 200, GreetingsPerSecond: 1 << 30, DialsPerMinute: 1 << 30,
		Logger: slog.New(&b.book), LogPerSecond: 1_000_000,
	}
	if secured {
		authority := certs.NewAuthority()
		b.own = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
		b.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}
		cfg.TLS = b.own
	}
	b.serve(t, cfg)
	b.publish(30, 4)
	return b
}
