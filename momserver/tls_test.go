package momserver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"mom/momclient"
	"mom/momserver"
	"mom/wire"
	"mom/wire/wiretest"
)

// TestTLSErrors says on the client's side which of TLS, its absence and the
// certificates is at fault.
func TestTLSErrors(t *testing.T) {
	authority, stranger := wiretest.NewAuthority(), wiretest.NewAuthority()
	with := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	good := with(authority.Issue("server", time.Hour, "127.0.0.1"))
	trusting := &tls.Config{RootCAs: authority.Pool()}
	mutual := good.Clone()
	mutual.ClientCAs, mutual.ClientAuth = authority.Pool(), tls.RequireAndVerifyClientCert
	known := trusting.Clone()
	known.Certificates = []tls.Certificate{authority.Issue("client", time.Hour)}
	foreign := trusting.Clone()
	foreign.Certificates = []tls.Certificate{stranger.Issue("client", time.Hour)}

	for _, test := range []struct {
		name           string
		server, client *tls.Config
		want           string // in the error; "" for none
	}{
		{"no TLS", nil, nil, ""},
		{"TLS", good, trusting, ""},
		{"plain at a TLS port", good, nil, "connect with TLS"},
		{"TLS at a plain port", nil, trusting, "does not speak TLS"},
		{"unknown authority", with(stranger.Issue("server", time.Hour, "127.0.0.1")), trusting, "unknown authority"},
		{"expired", with(authority.Issue("server", -time.Minute, "127.0.0.1")), trusting, "expired"},
		{"other host", with(authority.Issue("server", time.Hour, "127.0.0.2")), trusting, "127.0.0.2"},
		{"certificates both ways", mutual, known, ""},
		{"no client certificate", mutual, trusting, "certificate"},
		{"unknown client certificate", mutual, foreign, "certificate"},
	} {
		_, addr := loopback(t, momserver.Config{TLS: test.server})
		c := momclient.New(addr, momclient.Options{TLS: test.client})
		err := c.Subscribe(context.Background())
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && errors.Is(err, wire.ErrTimeout):
			t.Errorf("%s: only by a timeout: %v", test.name, err)
		}
		t.Logf("%s: %v", test.name, err)
		c.Close()
	}
}
