//go:build unix

package e2e

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mom.internal/wire/wiretest"
)

// papers are certificates in files, and the flags that name them.
type papers struct {
	server, client []string
	trust          *tls.Config // of a client in this process
}

// envStepped, where it is set, says that the wall clock steps, so that
// certificates are not valid.
const envStepped = "MOM_TEST_STEPPED"

// secure is whether to test without and with TLS.
func secure() []bool {
	if os.Getenv(envStepped) != "" {
		return []bool{false}
	}
	return []bool{false, true}
}

// newPapers returns those of a server at the hosts, and of its clients, which
// have a certificate too; none without TLS.
func newPapers(t *testing.T, secured bool, hosts ...string) papers {
	t.Helper()
	if !secured {
		return papers{}
	}
	dir, authority := t.TempDir(), wiretest.NewAuthority()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := func(name string, c tls.Certificate) []string {
		cert, key := wiretest.PEM(c)
		return []string{"-tls-cert", file(name+".pem", cert), "-tls-key", file(name+".key", key)}
	}
	ca := file("ca.pem", authority.PEM())
	client := authority.Issue("client", time.Hour)
	return papers{
		server: append(pair("server", authority.Issue("server", time.Hour, hosts...)), "-tls-client-ca", ca),
		client: append(pair("client", client), "-tls-ca", ca),
		trust:  &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{client}},
	}
}
