package momserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// all lets everybody see everything.
func all(context.Context, momserver.Applicant) (momserver.Grant, error) {
	return momserver.Grant{AllJobs: true}, nil
}

// TestAuthorizeNarrows what one client sees, by Subscribe, in snapshots and
// after gaps, by History and by Jobs; and none of it looks like loss.
func TestAuthorizeNarrows(t *testing.T) {
	mine, named, other := uuid.New(), uuid.New(), uuid.New()
	grants := map[string]momserver.Grant{
		"everything": {AllJobs: true},
		"by id":      {Jobs: []uuid.UUID{mine}},
		"by name":    {Names: []string{"named"}, Identity: "somebody"},
		"both":       {Jobs: []uuid.UUID{mine}, Names: []string{"named"}},
		"nothing":    {},
		"no name":    {Names: []string{""}},
	}
	sees := map[string][]uuid.UUID{
		"everything": {mine, named, other}, "by id": {mine}, "by name": {named}, "both": {mine, named}, "nothing": nil, "no name": nil,
	}
	cfg := momserver.Config{CacheEvents: 30, Authorize: func(_ context.Context, a momserver.Applicant) (momserver.Grant, error) {
		return grants[a.Token], nil
	}}
	only := func(jobs ...uuid.UUID) wire.Filter { return wire.Filter{Jobs: append(jobs, uuid.Nil)} } // of which nobody publishes
	for token, want := range sees {
		harness.Serve(t, cfg, func(s *harness.Server) {
			runs := map[uuid.UUID]uuid.UUID{mine: uuid.New(), named: uuid.New(), other: uuid.New()}
			publish := func() {
				for _, job := range []uuid.UUID{mine, named, other} {
					data := wire.TransferData{Status: wire.Status{State: wire.Transferring}}
					if job == named {
						data.Initialize = &wire.InitializeData{Name: "named"}
					}
					s.Must(wire.Event{JobID: job, RunID: runs[job], Data: data})
				}
			}
			for range 5 {
				publish()
			}
			c := s.Subscribed(momclient.Options{Token: token, From: wire.FromNow}, only(want...))
			for range 5 {
				publish()
			}
			synctest.Wait()
			got := c.Take()
			seen := make(map[uuid.UUID]int)
			for _, e := range got {
				seen[e.JobID]++
				if e.Missed > 0 {
					t.Errorf("%s: %d missed at event %d", token, e.Missed, e.Seq)
				}
			}
			for _, job := range want {
				if seen[job] != 6 { // with the snapshot's
					t.Errorf("%s: %d events of a job that it may see", token, seen[job])
				}
			}
			if len(seen) != len(want) {
				t.Errorf("%s: it sees %d jobs; want %d", token, len(seen), len(want))
			}
			info := s.Subscribers()[0]
			if info.Lag != 0 || info.Missed != 0 || info.Identity != grants[token].Identity {
				t.Errorf("%s: the operator sees %+v", token, info)
			}
			// A filter only takes away from it.
			c.Unsubscribe()
			both := only()
			if token == "everything" {
				both = only(other)
			}
			narrow := s.Subscribed(momclient.Options{Token: token, Filter: wire.Filter{Jobs: []uuid.UUID{other}}}, both)
			publish()
			synctest.Wait()
			for _, e := range narrow.Take() {
				if e.JobID != other || token != "everything" {
					t.Errorf("%s: with a filter for another job it sees %v", token, e.JobID)
				}
			}
			history, cursor, err := c.History(context.Background(), wire.Cursor{}, 0)
			if err != nil || cursor.Seq != 33 && len(want) > 0 {
				t.Errorf("%s: History up to %v: %v", token, cursor, err)
			}
			if n := len(history); n != 10*len(want) { // 30 are cached, of three jobs in turn
				t.Errorf("%s: History has %d events", token, n)
			}
			jobs, err := c.Jobs(context.Background())
			if err != nil || len(jobs) != len(want) {
				t.Errorf("%s: Jobs has %d events: %v", token, len(jobs), err)
			}
			for _, e := range append(history, jobs...) {
				if seen[e.JobID] == 0 {
					t.Errorf("%s: asked, it sees %v", token, e.JobID)
				}
			}
			narrow.Close()
		})
	}
}

// TestAuthorizeAfterGap: the snapshot after a gap is narrowed too.
func TestAuthorizeAfterGap(t *testing.T) {
	mine, other := uuid.New(), uuid.New()
	cfg := momserver.Config{CacheEvents: 10, Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		return momserver.Grant{Jobs: []uuid.UUID{mine}}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		c := s.Subscribed(momclient.Options{Queue: 1}, wire.Filter{Jobs: []uuid.UUID{mine}})
		block := make(chan struct{})
		c.OnEvent(func(wire.Event) { <-block })
		for i := range 40 {
			job := mine
			if i%2 == 1 {
				job = other
			}
			s.Publish(harness.Event(job, job, "", wire.Transferring))
			synctest.Wait()
		}
		close(block)
		synctest.Wait()
		if sum := c.Told(); sum.Missed == 0 || sum.Snapshots != 1 {
			t.Errorf("%+v: there was no gap to look at", sum)
		}
	})
}

// TestAuthorizeRefuses: its errors, its panic and its slowness reach only the
// client that it was asked about, and its words only where they are meant to.
func TestAuthorizeRefuses(t *testing.T) {
	log := new(logged)
	var asked []string
	var mu sync.Mutex
	cfg := momserver.Config{Logger: log.logger(), Authorize: func(ctx context.Context, a momserver.Applicant) (momserver.Grant, error) {
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%v %+v %#v", a, a, a))
		mu.Unlock()
		slog.New(slog.NewTextHandler(log, nil)).Info("asked", "who", a)
		switch a.Token {
		case "tok-busy":
			return momserver.Grant{}, &wire.Error{Code: wire.Busy, Message: "come back later", After: time.Minute}
		case "tok-fails":
			return momserver.Grant{}, errors.New("the directory server at 10.1.2.3 is down")
		case "tok-panics":
			panic("a defect")
		case "tok-hangs":
			<-ctx.Done()
			return momserver.Grant{AllJobs: true}, ctx.Err()
		case "tok-late":
			<-ctx.Done()
		}
		return momserver.Grant{AllJobs: true}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		var wg sync.WaitGroup
		for _, tc := range []struct {
			token string
			is    error
			words string
			after time.Duration
		}{
			{"good", nil, "", 0},
			{"tok-busy", wire.Busy, "come back later", 0},
			{"tok-fails", wire.Unauthorized, "not authorized", 0},
			{"tok-panics", wire.InternalError, "internal error", 0},
			{"tok-hangs", wire.Busy, "could not decide in time", 5 * time.Second},
			{"tok-late", wire.Busy, "could not decide in time", 5 * time.Second},
		} {
			c := s.Client(momclient.Options{Token: tc.token, DialTimeout: time.Minute})
			wg.Go(func() {
				start := time.Now()
				err := c.Subscribe(context.Background())
				if !errors.Is(err, tc.is) || time.Since(start) != tc.after {
					t.Errorf("%s: %v after %v", tc.token, err, time.Since(start))
				}
				if err != nil && (!strings.Contains(err.Error(), tc.words) || strings.Contains(err.Error(), "10.1.2.3")) {
					t.Errorf("%s: %v", tc.token, err)
				}
				c.Close()
			})
		}
		wg.Wait()
	})
	if !strings.Contains(log.String(), "10.1.2.3") || !strings.Contains(log.String(), "a defect") {
		t.Errorf("the operator is not told:\n%s", log)
	}
	said := strings.Join(asked, " ") + log.String()
	if strings.Contains(said, "tok-") {
		t.Errorf("a token was printed:\n%s", said)
	}
}

// TestAuthorizeAtClose: Close ends the context of one that is being asked.
func TestAuthorizeAtClose(t *testing.T) {
	cfg := momserver.Config{Authorize: func(ctx context.Context, _ momserver.Applicant) (momserver.Grant, error) {
		<-ctx.Done()
		return momserver.Grant{}, ctx.Err()
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		c := s.Client(momclient.Options{})
		done := make(chan error, 1)
		go func() { done <- c.Subscribe(context.Background()) }()
		synctest.Wait()
		start := time.Now()
		s.Close()
		if waited := time.Since(start); waited > lingerTime {
			t.Errorf("Close took %v", waited)
		}
		if err := <-done; err == nil {
			t.Error("it was let in")
		}
	})
}

// TestAuthorizeContext ends the context of what Authorize has left behind, when
// its client has been let in.
func TestAuthorizeContext(t *testing.T) {
	var asked context.Context
	cfg := momserver.Config{Authorize: func(ctx context.Context, _ momserver.Applicant) (momserver.Grant, error) {
		asked = ctx
		return momserver.Grant{AllJobs: true}, ctx.Err()
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		s.Subscribed(momclient.Options{})
		if err := asked.Err(); err != context.Canceled {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// lingerTime is what a refused client may take to hang up.
const lingerTime = 250 * time.Millisecond

// TestTokenFirst: Authorize is not asked about a wrong token, a wrong one is
// final, and none is logged.
func TestTokenFirst(t *testing.T) {
	calls, log := 0, new(logged)
	cfg := momserver.Config{Logger: log.logger(), Token: "open-sesame", Authorize: func(_ context.Context, a momserver.Applicant) (momserver.Grant, error) {
		calls++
		return momserver.Grant{AllJobs: true}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		for _, token := range []string{"", "not-sesame", "open-sesam", "open-sesame "} {
			c := s.Client(momclient.Options{Token: token, AutoReconnect: true})
			if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Unauthorized) {
				t.Errorf("%q: %v", token, err)
			}
			synctest.Wait()
			if got := c.Statuses(); got != "connecting refused(true)" { // final, once
				t.Errorf("%q: %s", token, got)
			}
			c.Close()
		}
		s.Subscribed(momclient.Options{Token: "open-sesame"}).Close()
	})
	if strings.Contains(log.String(), "sesam") || !strings.Contains(log.String(), "the token is missing or wrong") {
		t.Errorf("the log:\n%s", log)
	}
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
}

// TestPanics: a panic in a function of the configuration, on whichever
// connection it is called, refuses the client and frees its place. The server
// goes on, and the panic is logged.
func TestPanics(t *testing.T) {
	a := newAuthority()
	for _, tc := range []struct {
		name string
		what string // what panicked, as the log has it
		at   int32  // at which call
		cfg  func(panics func()) momserver.Config
		opts momclient.Options
		is   error // what the client gets to know; nil for any error
	}{
		{"Authorize", "Config.Authorize", 1, func(panics func()) momserver.Config {
			return momserver.Config{Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
				panics()
				return momserver.Grant{AllJobs: true}, nil
			}}
		}, momclient.Options{}, wire.InternalError},
		{"AllowCallback", "Config.AllowCallback", 1, func(panics func()) momserver.Config {
			return momserver.Config{AllowCallback: func(netip.AddrPort, netip.AddrPort) bool { panics(); return true }}
		}, momclient.Options{CallbackAddr: "127.0.0.1:0"}, wire.CallbackFailed},
		{"DialContext", "Config.DialContext", 1, func(panics func()) momserver.Config {
			return momserver.Config{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				panics()
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
		}, momclient.Options{CallbackAddr: "127.0.0.1:0"}, wire.CallbackFailed},
		{"TLS of a client", "a function of Config.TLS", 1, a.panicking, momclient.Options{TLS: a.client}, nil},
		{"TLS of dial-back", "a function of Config.TLS", 2, a.panicking, momclient.Options{TLS: a.client, CallbackAddr: "127.0.0.1:0"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls atomic.Int32
			log := new(logged)
			cfg := tc.cfg(func() {
				if calls.Add(1) == tc.at {
					panic("ouch")
				}
			})
			cfg.Logger, cfg.MaxSubscribers = log.logger(), 1
			srv, addr := loopback(t, cfg)
			c := momclient.New(addr, tc.opts)
			defer c.Close()
			if err := c.Subscribe(context.Background()); err == nil || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("the first: %v", err)
			}
			if said := log.String(); !strings.Contains(said, tc.what+" panicked") || !strings.Contains(said, "ouch") || !strings.Contains(said, "127.0.0.1") {
				t.Errorf("the operator is not told: %s", said)
			}
			if n := srv.Stats().Subscribers; n != 0 {
				t.Errorf("%d subscribers", n)
			}
			c.Close()
			next := momclient.New(addr, tc.opts)
			defer next.Close()
			if err := next.Subscribe(context.Background()); err != nil {
				t.Errorf("the next: %v", err)
			}
		})
	}
}

// panicking returns a configuration that calls a function in each handshake.
func (a *authority) panicking(panics func()) momserver.Config {
	cfg := a.server.Clone()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panics(); return nil, nil }
	return momserver.Config{TLS: cfg}
}

// TestPanicInRefusal has a function of Config.TLS panic for a connection that
// there is no room for.
func TestPanicInRefusal(t *testing.T) {
	a := newAuthority()
	var calls atomic.Int32
	log := new(logged)
	cfg := a.panicking(func() {
		if calls.Add(1) == 2 {
			panic("ouch")
		}
	})
	cfg.Logger, cfg.MaxConns = log.logger(), 1
	_, addr := loopback(t, cfg)
	for i, is := range []error{nil, wire.Lost, wire.Full} {
		c := momclient.New(addr, momclient.Options{TLS: a.client})
		defer c.Close()
		if err := c.Subscribe(context.Background()); !errors.Is(err, is) {
			t.Errorf("client %d: %v", i+1, err)
		}
	}
	log.until(t, "a function of Config.TLS panicked")
}

// TestHistoryOfHiddenJobs: a client that may see few events asks for more than one
// page, of which each looks at a bounded number of events, and gets what it may see,
// with its gap.
func TestHistoryOfHiddenJobs(t *testing.T) {
	seen := uuid.New()
	cfg := momserver.Config{CacheEvents: 40_000, Authorize: func(context.Context, momserver.Applicant) (momserver.Grant, error) {
		return momserver.Grant{Jobs: []uuid.UUID{seen}}, nil
	}}
	harness.Serve(t, cfg, func(s *harness.Server) {
		s.PublishN(20_000)
		s.Must(harness.Event(seen, uuid.New(), "", wire.Transferring))
		s.PublishN(20_000)
		c := s.Client(momclient.Options{}, wire.Filter{Jobs: []uuid.UUID{seen}})
		for _, n := range []int{0, 1} {
			events, at, err := c.History(context.Background(), wire.Cursor{Epoch: s.Epoch()}, n)
			end := uint64(40_001)
			if n == 1 {
				end = 20_001
			}
			if err != nil || len(events) != 1 || events[0].Seq != 20_001 || events[0].Missed != 1 || at.Seq != end {
				t.Errorf("%d events, at %v, %v", len(events), at, err)
			}
		}
		if events, at, err := c.History(context.Background(), wire.Cursor{Epoch: s.Epoch(), Seq: 20_001}, 0); len(events) != 0 || at.Seq != 40_001 || err != nil {
			t.Errorf("%d events, at %v, %v", len(events), at, err)
		}
	})
}
