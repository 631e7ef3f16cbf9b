//go:build unix

package e2e

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mom.internal/wire/wiretest/certs"
)

// certFiles are the flags of the two commands that name certificate files, and
// the TLS configuration of a client in this process.
type certFiles struct {
	server, client []string
	trust          *tls.Config
}

// envStepped, if it is set, says that the wall clock steps, so that no
// certificate is valid.
const envStepped = "MOM_TEST_STEPPED"

// secure returns the values of TLS, off and on, to test with.
func secure() []bool {
	if os.Getenv(envStepped) != "" {
		return []bool{false}
	}
	return []bool{false, true}
}

// newCerts returns the certificate files of a server at the hosts and of its
// clients, which have certificates too. Without TLS it returns none.
func newCerts(t *testing.T, secured bool, hosts ...string) certFiles {
	t.Helper()
	if !secured {
		return certFiles{}
	}
	dir, authority := t.TempDir(), certs.NewAuthority()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := func(name string, c tls.Certificate) []string {
		cert, key := certs.PEM(c)
		return []string{"-tls-cert", file(name+".pem", cert), "-tls-key", file(name+".key", key)}
	}
	ca := file("ca.pem", authority.PEM())
	client := authority.Issue("client", time.Hour)
	return certFiles{
		server: append(pair("server", authority.Issue("server", time.Hour, hosts...)), "-tls-client-ca", ca),
		client: append(pair("client", client), "-tls-ca", ca),
		trust:  &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{client}},
	}
}
