package momserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/protocol"
	"mom.internal/wire/wiretest/certs"
)

// authority signs what the tests need.
type authority struct {
	*certs.Authority
	server *tls.Config // of a server at 127.0.0.1
	client *tls.Config // trusts it; without a certificate
}

func newAuthority() *authority {
	a := &authority{Authority: certs.NewAuthority()}
	a.server = certified(a.Issue("server", time.Hour, "127.0.0.1"))
	a.client = &tls.Config{RootCAs: a.Pool()}
	return a
}

func certified(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// known returns the client's configuration with a certificate.
func (a *authority) known(cert tls.Certificate) *tls.Config {
	cfg := a.client.Clone()
	cfg.Certificates = []tls.Certificate{cert}
	return cfg
}

// mutual returns the server's, which wants a client certificate.
func (a *authority) mutual() *tls.Config {
	cfg := a.server.Clone()
	cfg.ClientCAs, cfg.ClientAuth = a.Pool(), tls.RequireAndVerifyClientCert
	return cfg
}

// TestTLSErrors says on both sides which of TLS, its absence and the
// certificates is at fault.
func TestTLSErrors(t *testing.T) {
	a, stranger := newAuthority(), certs.NewAuthority()
	old := a.client.Clone()
	old.MaxVersion, old.MinVersion = tls.VersionTLS12, tls.VersionTLS12
	for _, test := range []struct {
		name           string
		server, client *tls.Config
		is             error
		client2        string // in the client's error; "" for none
		log            string // in the server's log
	}{
		{"no TLS", nil, nil, nil, "", "subscribed"},
		{"TLS", a.server, a.client, nil, "", "subscribed"},
		{"plain at a TLS port", a.server, nil, wire.TLSMismatch, "connect with TLS", "TLS is spoken at this port; connect with TLS"},
		{"TLS at a plain port", nil, a.client, wire.TLSMismatch, "does not speak TLS", "there is no TLS at this port; connect without it"},
		{"unknown authority", certified(stranger.Issue("server", time.Hour, "127.0.0.1")), a.client, wire.BadCertificate, "unknown authority", "does not accept this side's certificate"},
		{"expired", certified(a.Issue("server", -time.Minute, "127.0.0.1")), a.client, wire.BadCertificate, "expired", "does not accept this side's certificate"},
		{"other host", certified(a.Issue("server", time.Hour, "127.0.0.2")), a.client, wire.BadCertificate, "127.0.0.2", "does not accept this side's certificate"},
		{"certificates both ways", a.mutual(), a.known(a.Issue("client", time.Hour)), nil, "", "subscribed"},
		{"no client certificate", a.mutual(), a.client, wire.BadCertificate, "certificate required", "client didn't provide a certificate"},
		{"unknown client certificate", a.mutual(), a.known(stranger.Issue("client", time.Hour)), wire.BadCertificate, "unknown certificate authority", "unknown authority"},
		{"expired client certificate", a.mutual(), forced(a, a.Issue("client", -time.Minute)), wire.BadCertificate, "expired certificate", "has expired"},
		{"TLS 1.2", a.server, old, wire.Lost, "protocol version", "offered only unsupported versions"},
	} {
		log := new(logged)
		_, addr := loopback(t, momserver.Config{TLS: test.server, Logger: log.logger()})
		c := momclient.New(addr, momclient.Options{TLS: test.client})
		err := c.Subscribe(context.Background())
		if !errors.Is(err, test.is) || err != nil && !strings.Contains(err.Error(), test.client2) {
			t.Errorf("%s: the client: %v", test.name, err)
		}
		log.until(t, test.log)
		if test.is == wire.BadCertificate && wire.IsFinal(err) {
			t.Errorf("%s is final, and yet certificates are renewed", test.name)
		}
		t.Logf("%s: the client: %v; the server: %s", test.name, err, lastLine(log))
		c.Close()
	}
}

// forced presents the certificate to servers that do not name its authority.
func forced(a *authority, cert tls.Certificate) *tls.Config {
	cfg := a.client.Clone()
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return cfg
}

func lastLine(log *logged) string {
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	return lines[len(lines)-1]
}

// TestStalledHandshake ends on both sides, with words that say so.
func TestStalledHandshake(t *testing.T) {
	a, log := newAuthority(), new(logged)
	_, addr := loopback(t, momserver.Config{TLS: a.server, HandshakeTimeout: 30 * time.Millisecond, Logger: log.logger()})
	dialRaw(t, addr)
	log.until(t, "the TLS handshake with 127.0.0.1:")
	log.until(t, "did not end in time (Config.HandshakeTimeout)")

	silent := newVictim(t, "127.0.0.1:0", "")
	c := momclient.New(silent.Addr().String(), momclient.Options{TLS: a.client, DialTimeout: 30 * time.Millisecond})
	defer c.Close()
	if err := c.Subscribe(context.Background()); !errors.Is(err, wire.Timeout) || !strings.Contains(err.Error(), "TLS handshake with "+silent.Addr().String()) || !strings.Contains(err.Error(), "(Options.DialTimeout)") {
		t.Errorf("the client: %v", err)
	}
}

// TestOtherProtocols at a TLS port, on both sides.
func TestOtherProtocols(t *testing.T) {
	a, log := newAuthority(), new(logged)
	_, addr := loopback(t, momserver.Config{TLS: a.server, Logger: log.logger()})
	io.WriteString(dialRaw(t, addr), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	log.until(t, "does not speak TLS: it answered in HTTP")

	ssh := newVictim(t, "127.0.0.1:0", "SSH-2.0-OpenSSH_9\r\n")
	c := momclient.New(ssh.Addr().String(), momclient.Options{TLS: a.client})
	defer c.Close()
	if err := c.Subscribe(context.Background()); !errors.Is(err, wire.TLSMismatch) || !strings.Contains(err.Error(), "SSH") {
		t.Errorf("the client: %v", err)
	}
}

// TestTLSVersion is 1.3 unless the configuration names another, by whatever
// way it comes.
func TestTLSVersion(t *testing.T) {
	a := newAuthority()
	dynamic := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return a.server, nil }}
	lax := a.server.Clone()
	lax.MinVersion = tls.VersionTLS12
	for name, tc := range map[string]struct {
		server *tls.Config
		taken  bool
	}{"by default": {a.server, false}, "for a client": {dynamic, false}, "as said": {lax, true}} {
		_, addr := loopback(t, momserver.Config{TLS: tc.server})
		old := a.client.Clone()
		old.MaxVersion = tls.VersionTLS12
		tc2, err := tls.Dial("tcp", addr, old)
		if (err == nil) != tc.taken {
			t.Errorf("%s: TLS 1.2: %v", name, err)
		}
		if err == nil {
			tc2.Close()
		}
	}
}

// TestIdentity shows the name of a verified certificate in Subscribers and to
// Authorize, with dial-back too, and never that of one that was not verified.
func TestIdentity(t *testing.T) {
	a, stranger := newAuthority(), certs.NewAuthority()
	asks := a.server.Clone()
	asks.ClientAuth = tls.RequestClientCert
	for _, tc := range []struct {
		name   string
		server *tls.Config
		cert   tls.Certificate
		want   string
	}{
		{"common name", a.mutual(), a.Issue("dashboard", time.Hour), "dashboard"},
		{"host name", a.mutual(), a.Issue("", time.Hour, "monitor.example"), "monitor.example"},
		{"not verified", asks, stranger.Issue("admin", time.Hour), ""},
	} {
		for _, callback := range []string{"", "127.0.0.1:0"} {
			asked := make(chan momserver.Applicant, 1)
			srv, addr := loopback(t, momserver.Config{TLS: tc.server, Authorize: func(_ context.Context, who momserver.Applicant) (momserver.Grant, error) {
				asked <- who
				return momserver.Grant{AllJobs: true}, nil
			}})
			c := momclient.New(addr, momclient.Options{TLS: forced(a, tc.cert), CallbackAddr: callback})
			if err := c.Subscribe(context.Background()); err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if got := srv.Subscribers()[0].Identity; got != tc.want {
				t.Errorf("%s: Subscribers shows %q", tc.name, got)
			}
			if who := <-asked; who.Identity != tc.want || who.TLS == nil || who.TLS.Version != tls.VersionTLS13 || len(who.TLS.PeerCertificates) != 1 || who.Addr == "" {
				t.Errorf("%s: Authorize was asked about %v", tc.name, who)
			}
			c.Close()
		}
	}
}

// TestDialBackTLS: what goes wrong with TLS on the callback connection is told
// to both ends.
func TestDialBackTLS(t *testing.T) {
	a, stranger := newAuthority(), certs.NewAuthority()
	for name, tc := range map[string]struct {
		server *tls.Config
		end    func(nc net.Conn) (net.Conn, error) // secures the endpoint's
		told   string                              // to the subscriber
		is     error                               // at the endpoint
	}{
		"not trusted": {a.server, clientOf(&tls.Config{RootCAs: stranger.Pool(), ServerName: "127.0.0.1"}), "does not accept this side's certificate", wire.BadCertificate},
		"no client certificate": {a.mutual(), clientOf(&tls.Config{RootCAs: a.Pool(), ServerName: "127.0.0.1"}),
			"didn't provide a certificate", wire.BadCertificate},
		"plain": {a.server, func(nc net.Conn) (net.Conn, error) {
			io.WriteString(nc, "no TLS here")
			return nc, nil
		}, "does not speak TLS", wire.Lost},
		"stalled": {a.server, func(nc net.Conn) (net.Conn, error) { return nc, nil }, "did not end in time", wire.Lost},
	} {
		_, addr := loopback(t, momserver.Config{TLS: tc.server, DialTimeout: 500 * time.Millisecond})
		l, offered, ticket := listen(t, "127.0.0.1:0"), make(chan error, 1), make([]byte, protocol.TicketSize)
		go func() {
			nc, err := l.Accept()
			if err == nil {
				_, err = protocol.OfferEndpoint(nc, ticket, 10*time.Second, tc.end)
				nc.Close()
			}
			offered <- err
		}()
		cfg := a.known(a.Issue("client", time.Hour))
		nc, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = askCallback(t, nc, l.Addr().String(), ticket)
		if !errors.Is(err, wire.CallbackFailed) || !strings.Contains(err.Error(), tc.told) {
			t.Errorf("%s: the subscriber is told: %v", name, err)
		}
		if err := <-offered; !errors.Is(err, tc.is) {
			t.Errorf("%s: the endpoint finds: %v", name, err)
		} else {
			t.Logf("%s: the endpoint finds: %v", name, err)
		}
	}
}

func clientOf(cfg *tls.Config) func(net.Conn) (net.Conn, error) {
	return func(nc net.Conn) (net.Conn, error) {
		tc := tls.Client(nc, cfg)
		return tc, tc.Handshake()
	}
}
