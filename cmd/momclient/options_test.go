package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom.internal/momserver"
	"mom.internal/wire"
	"mom.internal/wire/wiretest/certs"
)

// TestTokenFile takes the token from the file that -token-file names, and prints
// it nowhere.
func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "sesame-4711\n")
	m, err := newMonitor([]string{"-token-file", path}, noEnv, io.Discard, io.Discard)
	if err != nil || m.connections[0].Opts.Token != "sesame-4711" {
		t.Errorf("%+v, %v", m, err)
	}
	if said := fmt.Sprintf("%v %+v %#v %v", m, m, m, *m); strings.Contains(said, "sesame") {
		t.Errorf("printed: %s", said)
	}
}

// serveTCP starts a server on loopback.
func serveTCP(t *testing.T, cfg momserver.Config) (srv *momserver.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv = momserver.New(cfg)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return srv, l.Addr().String()
}

func pemFiles(t *testing.T, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := certs.PEM(c)
	write(t, certFile, string(cert))
	write(t, keyFile, string(key))
	return certFile, keyFile
}

// TestTLS connects with TLS and with a client certificate, and says what is
// wrong if only one side uses TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := certs.NewAuthority()
	cert, own := authority.Issue("server", time.Hour, "127.0.0.1"), authority.Issue("client", time.Hour)
	ca, _ := pemFiles(t, cert) // a trusted certificate need not be signed
	certFile, keyFile := pemFiles(t, own)
	secure, secureAddr := serveTCP(t, momserver.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: authority.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	_, plainAddr := serveTCP(t, momserver.Config{})
	stop := endRuns(t, secure)
	defer stop()
	servers := filepath.Join(t.TempDir(), "servers")
	write(t, servers, fmt.Sprintf("secure %s tls-ca=%q tls-cert=%q tls-key=%q\nplain %s tls=off", secureAddr, ca, certFile, keyFile, plainAddr))
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-addr", secureAddr, "-tls-ca", ca, "-tls-cert", certFile, "-tls-key", keyFile}, exitOK, "connected"},
		{[]string{"-servers", servers, "-tls"}, exitOK, "plain: connected"},
		{[]string{"-addr", secureAddr}, exitLost, "TLS is spoken at this port; connect with TLS; see -tls and -tls-ca\n"},
		{[]string{"-addr", plainAddr, "-tls"}, exitLost, "does not speak TLS at this port; connect without it; see -tls and -tls-ca\n"},
		{[]string{"-addr", secureAddr, "-tls", "-wait", "3s"}, exitLost, "unknown authority; see -tls-ca, and -tls-cert with -tls-key\nmomclient: "},
	} {
		if code, _, stderr := command(t, append(tc.args, "-exit-when-done", "-job", "site")...); code != tc.code || !strings.Contains(stderr, tc.want) {
			t.Errorf("%v: exit %d\n%s", tc.args, code, stderr)
		}
	}
}

// endRuns lets the server run the job "site" again and again until stop.
func endRuns(t *testing.T, srv *momserver.Server) (stop func()) {
	t.Helper()
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"}); err == nil {
					j.Complete()
				}
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}
