package cmd_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
)

// stranger is a connection on which nobody is called, to a server of its own.
type stranger struct {
	t      *testing.T
	number int
	name   string
	ways   way // that are cut
	asks   bool
	notice time.Duration

	srv     *momserver.Server
	nc      net.Conn
	noticed time.Duration
}

// newStrangers connects some, over pairs of addresses from the first.
func newStrangers(t *testing.T, l *lab, first int) []*stranger {
	t.Helper()
	cfg, notice := momserver.Config{CallTimeout: time.Second, HandshakeTimeout: 2 * time.Second}, tuned.notice
	if os.Getenv(envSlow) != "" {
		cfg, notice = momserver.Config{}, defaults.notice
	}
	cfg.IdleTimeout = time.Hour // which would find them as well
	strangers := []*stranger{
		{name: "silent", ways: bothWays},
		{name: "within the greeting", ways: bothWays},
		{name: "greeted", ways: bothWays},
		{name: "greeted, no longer reached", ways: fromServer},
		{name: "greeted, waiting for an answer", ways: fromServer, asks: true},
	}
	for i, s := range strangers {
		s.t, s.number, s.notice, s.srv = t, first+i, notice, momserver.New(cfg)
		t.Cleanup(func() { s.srv.Close() })
		go s.srv.Serve(listenIn(t, l.servers.in, serverIP(s.number)+":7420"))
		err := l.clients.in(func() (err error) {
			s.nc, err = net.DialTimeout("tcp", serverIP(s.number)+":7420", 5*time.Second)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.nc.Close() })
		switch s.name {
		case "silent":
		case "within the greeting":
			s.nc.Write([]byte("MoM\x01"))
		default:
			if _, err := wire.Greet(s.nc, wire.Hello{Version: wire.Version}, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	all(t, "connected", strangers, func(s *stranger) bool { return s.srv.Stats().Connections == 1 })
	return strangers
}

// wait has the stranger wait for an answer, where that is what it does.
func (s *stranger) wait() {
	if s.asks {
		conn := wire.NewConn(s.nc, wire.ConnConfig{MaxMessage: 1 << 20, MaxWaiting: 1 << 20, WriteTimeout: time.Hour, MessageTimeout: time.Hour})
		conn.Client().Go(wire.MethodPing, &wire.Nothing{}, &wire.Nothing{}, nil)
		s.t.Cleanup(func() { conn.Close(wire.Errorf(wire.CodeClosed, "done")) })
	}
}

// isNoticed reports whether the server has closed the connection, and keeps
// when it had.
func (s *stranger) isNoticed(at time.Time) bool {
	if s.noticed == 0 && s.srv.Stats().Connections == 0 {
		s.noticed = time.Since(at)
	}
	return s.noticed > 0
}

func (s *stranger) checkNotice() {
	s.t.Logf("%s: noticed in %v", s.name, s.noticed.Round(time.Millisecond))
	if s.noticed > s.notice+slack {
		s.t.Errorf("%s: noticed in %v, want %v", s.name, s.noticed, s.notice)
	}
}

// cutUnderAsking cuts a link before and after a client has connected to ask:
// it is told within its times.
func cutUnderAsking(t *testing.T, l *lab, pair int) {
	t.Helper()
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	go srv.Serve(listenIn(t, l.servers.in, serverIP(pair)+":7420"))
	cutWhen := ""
	c := momclient.New(serverIP(pair)+":7420", momclient.Options{
		CallTimeout: 300 * time.Millisecond,
		DialContext: func(ctx context.Context, network, addr string) (nc net.Conn, err error) {
			err = l.clients.in(func() (err error) {
				nc, err = new(net.Dialer).DialContext(ctx, network, addr)
				return err
			})
			if cutWhen == "connected" {
				l.cut(pair, bothWays, true)
			}
			return nc, err
		},
	})
	defer c.Close()
	for _, cutWhen = range []string{"never", "connected", "before"} {
		_, err := c.Jobs(context.Background())
		if cutWhen == "never" && err != nil || cutWhen != "never" && !errors.Is(err, wire.ErrLost) && !errors.Is(err, wire.ErrTimeout) {
			t.Errorf("cut %s: %v", cutWhen, err)
		}
	}
}
