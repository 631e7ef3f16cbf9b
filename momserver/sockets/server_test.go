package sockets_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/harness"
	"mom.internal/wire/wiretest/invariant"
)

// testServer is a server on a real socket.
type testServer struct {
	*harness.Server
	own    *tls.Config // of the server
	tls    *tls.Config // of clients
	callee string      // the callback address of clients
	log    logRecorder // of subscriptions, where the server keeps it
	before load        // of the process, when nobody was connected

	reached atomic.Int64 // peers that have got to where they are stuck
}

// serve starts a server that ends with the test.
func serve(t *testing.T, cfg momserver.Config) *testServer {
	t.Helper()
	srv := new(testServer)
	srv.serve(t, cfg)
	return srv
}

func (srv *testServer) serve(t *testing.T, cfg momserver.Config) {
	t.Helper()
	goroutines := runtime.NumGoroutine()
	srv.Server = harness.OnSocket(t, cfg)
	srv.before = load{goroutines + 2, loaded().descriptors} // Serve's, the sender's
}

// restart ends the server and starts another, at its port.
func (srv *testServer) restart() {
	srv.T.Helper()
	srv.Close()
	srv.New()
	srv.PublishRuns(20, 4) // before anybody is there
	srv.Listen()
}

// violated reports what does not hold of a client.
func (srv *testServer) violated(what string) invariant.Report {
	return func(v invariant.Violation) { srv.T.Errorf("%s: %v", what, v) }
}

// newReplayServer returns a server with a small cache and small batches, and a
// logRecorder.
func newReplayServer(t *testing.T, secured bool, callee string) *testServer {
	srv := &testServer{callee: callee}
	cfg := momserver.Config{
		CacheEvents: 12, BatchBytes: 200, GreetingsPerSecond: 1 << 30, DialsPerMinute: 1 << 30,
		Logger: slog.New(&srv.log), LogPerSecond: 1_000_000,
	}
	if secured {
		authority := certs.NewAuthority()
		srv.own = &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}
		srv.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}
		cfg.TLS = srv.own
	}
	srv.serve(t, cfg)
	srv.PublishRuns(30, 4)
	return srv
}

// load is what this process holds. It means something where no other test runs
// meanwhile.
type load struct{ goroutines, descriptors int }

// loaded looks. Where the system does not list descriptors there are none.
func loaded() load {
	open, _ := os.ReadDir("/proc/self/fd") // with its own
	return load{runtime.NumGoroutine(), len(open)}
}

// settles waits until this process holds what it did when nobody was connected.
func (srv *testServer) settles(name string) {
	srv.T.Helper()
	before := srv.before
	now := loaded()
	for deadline := time.Now().Add(hangs); now.goroutines > before.goroutines || now.descriptors > before.descriptors; now = loaded() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			srv.violated(name)(invariant.Violation{Invariant: invariant.Bounded, Detail: fmt.Sprintf("%+v are left of %+v:\n%s", now, before, stacks)})
			return
		}
		time.Sleep(time.Millisecond)
	}
}
