package momclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
	"mom.internal/wire/wiretest/harness"
)

// TestHangs: a function of the options that never returns keeps Subscribe and
// History no longer than their bounds, and Close not at all.
func TestHangs(t *testing.T) {
	authority := certs.NewAuthority()
	secured := momserver.Config{TLS: &tls.Config{Certificates: []tls.Certificate{authority.Issue("server", time.Hour, "127.0.0.1")}}}
	withTLS := func(o *momclient.Options, hang func()) {
		o.TLS = &tls.Config{RootCAs: authority.Pool(), VerifyConnection: func(tls.ConnectionState) error { hang(); return nil }}
	}
	for _, tc := range []struct {
		name string
		cfg  momserver.Config
		set  func(o *momclient.Options, hang func())
		is   error
	}{
		{"Options.DialContext", momserver.Config{}, func(o *momclient.Options, hang func()) {
			o.DialContext = func(context.Context, string, string) (net.Conn, error) { hang(); return nil, errors.New("late") }
		}, wire.Timeout},
		{"Options.Listen", momserver.Config{}, func(o *momclient.Options, hang func()) {
			o.CallbackAddr = "127.0.0.1:0"
			o.Listen = func(string, string) (net.Listener, error) { hang(); return nil, errors.New("late") }
		}, wire.CallbackFailed},
		{"Options.TLS", secured, withTLS, wire.Timeout},
	} {
		srv := momserver.New(tc.cfg)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go srv.Serve(l)
		defer srv.Close()
		for _, end := range []string{"timeout", "context", "Close"} {
			t.Run(strings.Join([]string{tc.name, end}, " "), func(t *testing.T) {
				hanging, release := make(chan struct{}, 9), make(chan struct{})
				defer close(release)
				opts := momclient.Options{DialTimeout: time.Hour, CallTimeout: time.Hour}
				if end == "timeout" {
					opts.DialTimeout, opts.CallTimeout = time.Second, time.Second
				}
				tc.set(&opts, func() { hanging <- struct{}{}; <-release })
				c := momclient.New(l.Addr().String(), opts)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				ended, calls := make(chan error, 2), 1
				go func() { ended <- c.Subscribe(ctx) }()
				if opts.Listen == nil {
					calls++
					go func() {
						_, _, err := c.History(ctx, wire.Cursor{}, 0)
						ended <- err
					}()
				}
				for range calls {
					<-hanging
				}
				is := tc.is
				switch end {
				case "context":
					is = context.Canceled
					cancel()
				case "Close":
					is = wire.Closed
					c.Close()
				}
				for range calls {
					if err := <-ended; !errors.Is(err, is) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v; want %v", err, is)
					}
				}
				c.Close()
			})
		}
	}
}

// TestOnPanicHangs keeps neither Unsubscribe nor Close.
func TestOnPanicHangs(t *testing.T) {
	harness.Serve(t, momserver.Config{}, func(s *harness.Server) {
		release := make(chan struct{})
		hanging := false
		c := momclient.New(s.Addr, momclient.Options{DialContext: s.Net.DialContext, OnPanic: func(*momclient.PanicError) {
			hanging = true
			<-release
		}})
		c.OnEvent(func(wire.Event) { panic("ouch") })
		if err := c.Subscribe(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.PublishN(2)
		synctest.Wait()
		if err := errors.Join(c.Unsubscribe(), c.Close()); err != nil || !hanging {
			t.Errorf("%v, hanging %v", err, hanging)
		}
		close(release)
	})
}
