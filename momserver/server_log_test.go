package momserver_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/harness"
)

// logged is a log that a test reads.
type logged struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// until waits until the log says so.
func (l *logged) until(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(l.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q:\n%s", text, l)
		}
	}
}

// clear forgets what was said.
func (l *logged) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// TestLogPerSecond: strangers do not fill the log, and what was left out is
// counted.
func TestLogPerSecond(t *testing.T) {
	log := new(logged)
	harness.Serve(t, momserver.Config{Logger: log.logger(), LogPerSecond: 3}, func(s *harness.Server) {
		knock := func(n int) {
			for range n {
				nc := s.Dial()
				nc.Write([]byte("SSH-2.0-x\r\n")[:4])
				nc.Close()
				synctest.Wait()
			}
		}
		knock(200)
		if n := strings.Count(log.String(), "connection refused"); n != 30 {
			t.Errorf("%d lines at once; want ten seconds' worth", n)
		}
		time.Sleep(time.Second)
		knock(10)
		if n := strings.Count(log.String(), "connection refused"); n != 33 {
			t.Errorf("%d lines, a second later; want 3 more", n)
		}
		if n := strings.Count(log.String(), `"left out"=170`); n != 1 {
			t.Errorf("what was left out is said %d times:\n%s", n, log)
		}
	})
}

// TestLogLines stay short, whatever a stranger sends, and on one line each.
func TestLogLines(t *testing.T) {
	log := new(logged)
	srv, addr := loopback(t, momserver.Config{Logger: log.logger()})
	nc := dialRaw(t, addr)
	nc.Write([]byte("\n\r\x1b]" + strings.Repeat("x", 60_000)))
	log.until(t, "connection refused")
	endpointOf(t, addr, strings.Repeat("h", 60)+".invalid:1")
	log.until(t, "callback endpoint not reached")
	for _, n := range []int{262, 263, 50_000} { // a name is too long for the resolver anyway
		err := endpointOf(t, addr, strings.Repeat("h", n-2)+":1")
		if errors.Is(err, wire.BadRequest) != (n > 262) || err == nil {
			t.Errorf("a callback address of %d bytes: %v", n, err)
		}
	}
	srv.Close()
	for line := range strings.Lines(log.String()) {
		if len(line) > 1000 || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\n\r\x1b") {
			t.Errorf("a line of %d bytes: %.200q", len(line), line)
		}
	}
}

// TestExposure warns of a listener that others reach, and says of what.
func TestExposure(t *testing.T) {
	authority := newAuthority()
	mutual := authority.server.Clone()
	mutual.ClientAuth, mutual.ClientCAs = 4, authority.Pool()
	optional := mutual.Clone()
	optional.ClientAuth = 3
	for _, tc := range []struct {
		addr string
		cfg  momserver.Config
		want string // "" for no warning
	}{
		{"127.0.0.1:0", momserver.Config{}, ""},
		{"[::1]:0", momserver.Config{}, ""},
		{":0", momserver.Config{}, "anybody who can reach this address may subscribe, and"},
		{"0.0.0.0:0", momserver.Config{}, "set TLS and a token"},
		{":0", momserver.Config{Token: "secret"}, "the token too; set TLS"},
		{":0", momserver.Config{TLS: authority.server}, "set a token, or require client certificates"},
		{":0", momserver.Config{TLS: optional}, "set a token, or require client certificates"},
		{":0", momserver.Config{TLS: authority.server, Token: "secret"}, ""},
		{":0", momserver.Config{TLS: authority.server, Authorize: all}, ""},
		{":0", momserver.Config{TLS: mutual}, ""},
	} {
		log := new(logged)
		tc.cfg.Logger = log.logger()
		srv := momserver.New(tc.cfg)
		l := listen(t, tc.addr)
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		host := "127.0.0.1"
		if strings.HasPrefix(tc.addr, "[") {
			host = "::1"
		}
		dialRaw(t, net.JoinHostPort(host, port))
		for srv.Stats().Connections == 0 { // it serves
			time.Sleep(time.Millisecond)
		}
		srv.Close()
		if err := <-served; err != momserver.ErrServerClosed {
			t.Error(err)
		}
		got := log.String()
		if tc.want == "" && strings.Contains(got, "WARN") || !strings.Contains(got, tc.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: want %q, logged %s", tc.addr, tc.want, got)
		}
	}
}
