package tlsfiles

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
)

// files has the PEM files of a server and a client.
type files struct {
	t    *testing.T
	dir  string
	said []string // the reported errors
}

func (f *files) path(name string) string { return filepath.Join(f.dir, name) }

// put replaces a file, as tools that renew certificates do.
func (f *files) put(name string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path("aside"), data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path("aside"), f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) putPair(name string, c tls.Certificate) {
	cert, key := certs.PEM(c)
	f.put(name+".pem", cert)
	f.put(name+".key", key)
}

func (f *files) report(err error) { f.said = append(f.said, err.Error()) }

func (f *files) pair(name string) *Pair {
	f.t.Helper()
	p, err := ReadPair(f.path(name+".pem"), f.path(name+".key"), f.report)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *files) pool(name string) *Pool {
	f.t.Helper()
	p, err := ReadPool(f.path(name), f.report)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// TestRenewal replaces every file of a running server and client. Subscribers
// stay, and later connections use the new certificates on both sides.
func TestRenewal(t *testing.T) {
	f := &files{t: t, dir: t.TempDir()}
	old, renewed := certs.NewAuthority(), certs.NewAuthority()
	renew := func(a *certs.Authority, client string) {
		f.put("ca.pem", a.PEM())
		f.putPair("server", a.Issue("server", time.Hour, "127.0.0.1"))
		f.putPair("client", a.Issue(client, time.Hour))
	}
	renew(old, "before")
	srv := momserver.New(momserver.Config{TLS: Server(f.pair("server"), f.pool("ca.pem"))})
	defer srv.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)

	ofFiles := Client("127.0.0.1", f.pair("client"), f.pool("ca.pem"))
	stuck := &tls.Config{RootCAs: old.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{old.Issue("old", time.Hour)}}
	first := momclient.New(l.Addr().String(), momclient.Options{TLS: ofFiles})
	defer first.Close()
	events := make(chan wire.Event, 10)
	first.OnEvent(func(e wire.Event) { events <- e })
	subscribe := func(c *momclient.Client) error { return c.Subscribe(context.Background()) }
	if err := subscribe(first); err != nil {
		t.Fatal(err)
	}
	renew(renewed, "after")

	second := momclient.New(l.Addr().String(), momclient.Options{TLS: ofFiles, Name: "second"})
	defer second.Close()
	if err := subscribe(second); err != nil {
		t.Errorf("with the renewed files: %v", err)
	}
	third := momclient.New(l.Addr().String(), momclient.Options{TLS: stuck})
	defer third.Close()
	if err := subscribe(third); !errors.Is(err, wire.BadCertificate) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("who trusts the old authority alone: %v", err)
	}
	trusting := stuck.Clone()
	trusting.RootCAs = renewed.Pool()
	fourth := momclient.New(l.Addr().String(), momclient.Options{TLS: trusting})
	defer fourth.Close()
	if err := subscribe(fourth); !errors.Is(err, wire.BadCertificate) {
		t.Errorf("who has a certificate of the old authority: %v", err)
	}
	// No subscriber was dropped.
	srv.Run(context.Background(), uuid.New(), wire.InitializeData{}, func(context.Context, *momserver.Job) error { return nil })
	if e := <-events; e.Seq != 1 {
		t.Errorf("event %d", e.Seq)
	}
	subs := srv.Subscribers()
	if len(subs) != 2 || subs[0].Identity != "before" || subs[1].Identity != "after" || len(srv.Stats().Drops) != 0 || len(f.said) != 0 {
		t.Errorf("%+v, dropped %v, said %q", subs, srv.Stats().Drops, f.said)
	}
}

// TestClientVerifies: with authorities from a file the client verifies the
// server as crypto/tls does.
func TestClientVerifies(t *testing.T) {
	f := &files{t: t, dir: t.TempDir()}
	a, stranger := certs.NewAuthority(), certs.NewAuthority()
	f.put("ca.pem", a.PEM())
	for name, tc := range map[string]struct {
		cert tls.Certificate
		host string
		want string // in the error; "" for none
	}{
		"good":              {a.Issue("s", time.Hour, "127.0.0.1"), "127.0.0.1", ""},
		"by name":           {a.Issue("s", time.Hour, "localhost"), "localhost", ""},
		"no host":           {a.Issue("s", time.Hour, "localhost"), "", ""},
		"no host, another":  {a.Issue("s", time.Hour, "example.org"), "", "example.org"},
		"another host":      {a.Issue("s", time.Hour, "127.0.0.2"), "127.0.0.1", "127.0.0.2"},
		"expired":           {a.Issue("s", -time.Minute, "127.0.0.1"), "127.0.0.1", "expired"},
		"another authority": {stranger.Issue("s", time.Hour, "127.0.0.1"), "127.0.0.1", "unknown authority"},
	} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{tc.cert}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if nc, err := l.Accept(); err == nil {
				nc.(*tls.Conn).Handshake()
				nc.Close()
			}
		}()
		nc, err := tls.Dial("tcp", l.Addr().String(), Client(tc.host, nil, f.pool("ca.pem")))
		if err == nil {
			nc.Close()
		}
		l.Close()
		var v *tls.CertificateVerificationError
		if tc.want == "" && err != nil || tc.want != "" && (!errors.As(err, &v) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamaged: if a file is damaged, the earlier version stays in force, and
// the error is reported once.
func TestDamaged(t *testing.T) {
	f := &files{t: t, dir: t.TempDir()}
	a := certs.NewAuthority()
	good, other := a.Issue("good", time.Hour), a.Issue("other", time.Hour)
	f.putPair("x", good)
	f.put("ca.pem", a.PEM())
	pair, pool := f.pair("x"), f.pool("ca.pem")
	roots := pool.files.Get()
	cert, key := certs.PEM(other)
	for name, damage := range map[string]func(){
		"half a certificate": func() { f.put("x.pem", cert[:len(cert)/2]) },
		"an empty one":       func() { f.put("x.pem", nil) },
		"none":               func() { os.Remove(f.path("x.pem")) },
		"of another key":     func() { f.put("x.pem", cert) },
		"half a key":         func() { f.put("x.key", key[:len(key)/2]) },
	} {
		f.putPair("x", good)
		pair.files.Get()
		f.said = nil
		damage()
		for range 3 {
			if got := pair.files.Get(); string(got.Certificate[0]) != string(good.Certificate[0]) {
				t.Errorf("%s: another certificate is in force", name)
			}
		}
		if len(f.said) != 1 || !strings.Contains(f.said[0], f.path("x.pem")) {
			t.Errorf("%s: reported %q", name, f.said)
		}
	}
	f.putPair("x", other)
	if got := pair.files.Get(); string(got.Certificate[0]) != string(other.Certificate[0]) {
		t.Error("a good pair after the damaged ones is not taken")
	}
	f.said = nil
	f.put("ca.pem", []byte("no certificate"))
	for range 2 {
		if pool.files.Get() != roots || len(f.said) != 1 {
			t.Errorf("a damaged file of authorities: reported %q", f.said)
		}
	}
}
