package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/internal/clean"
	"mom.internal/wire/wiretest/certs"
)

func noEnv(string) string { return "" }

// command runs the command in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	state := t.TempDir()
	code = run(t.Context(), args, func(name string) string {
		if name == "STATE_DIRECTORY" {
			return state
		}
		return noEnv(name)
	}, &out, &errs)
	return code, out.String(), errs.String()
}

// TestVersion prints the version on stdout, whatever other flags are given.
func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"--version"}, {"-wait", "-1", "-version", "SRC"}} {
		if code, out, errs := command(t, args...); code != exitOK || !strings.HasPrefix(out, "momserver mom.internal ") || strings.Count(out, "\n") != 1 || errs != "" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestHostileFlags: an error is one line that cannot control a terminal, whatever it
// quotes.
func TestHostileFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	evil := "\x1b]0;title\a\n\u202e\xff"
	var tries [][]string
	flagSet(new(config)).VisitAll(func(f *flag.Flag) {
		tries = append(tries, []string{"-" + f.Name + "=" + evil, "-addr", "x"})
	})
	tries = append(tries, []string{"-" + evil}, []string{evil}, []string{"S", "-" + evil}, []string{"-spool", evil, "S", "D"}, []string{"-once", evil, evil}, []string{"-tls-cert", evil, "-tls-key", evil}, []string{"-tls-cert", "x", "-tls-key", "x", "-tls-client-ca", evil})
	for _, args := range tries {
		code, out, errs := command(t, args...)
		line, rest, _ := strings.Cut(strings.TrimSuffix(errs, "\n"), "\n")
		if code != exitUsage || out != "" || line != clean.Text(line) || rest != "" && rest != "momserver -h shows the flags." {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestBadFlags exits with 2 before anything runs, and says which flag is wrong
// and what would be right.
func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	os.Mkdir("src", 0o755)
	os.WriteFile("junk", []byte("junk"), 0o600)
	for _, tc := range []struct {
		args []string
		want []string // in the message
	}{
		{[]string{"-nonsense"}, []string{"-nonsense", "not defined"}},
		{[]string{"-every", "soon"}, []string{"-every", `"soon"`, "want -every TIME, as 250ms or 5s"}},
		{[]string{"-every"}, []string{"-every", "needs an argument", "want -every TIME"}},
		{[]string{"-every", "0"}, []string{"-every 0s", "want more than 0"}},
		{[]string{"-every", "-5s"}, []string{"-every -5s", "want more than 0"}},
		{[]string{"-once", "-every", "5s"}, []string{"-once and -every exclude each other", "leave one out"}},
		{[]string{"-once=maybe"}, []string{`"maybe"`, "want -once, or -once=false"}},
		{[]string{"-addr"}, []string{"needs an argument: -addr", "want -addr ADDR"}},
		{[]string{"-wait", "-1"}, []string{"-wait -1", "want at least 0"}},
		{[]string{"-wait", "3", "-max-subscribers", "2"}, []string{"-wait 3", "-max-subscribers allows only 2"}},
		{[]string{"-bandwidth", "-1"}, []string{"-bandwidth", `"-1"`, "want a number of bytes, as 65536, 64K"}},
		{[]string{"-bandwidth", "1X"}, []string{"-bandwidth", `"1X"`, "want a number of bytes, as 65536, 64K"}},
		{[]string{"-max-delete", "many"}, []string{"-max-delete", `"many"`, "want a number of files, as 1000, or a percentage"}},
		{[]string{"-exclude", "[a-"}, []string{"-exclude", `"[a-"`}},
		{[]string{"-exclude-from", "missing"}, []string{"-exclude-from", "missing", "no such file"}},
		{[]string{"-report-idle", "-1s"}, []string{"-report-idle -1s", "want 0 or more"}},
		{[]string{"-spool", "missing", "src", "dst"}, []string{"the spool missing is not a directory"}},
		{[]string{"-package-files", "0"}, []string{"-package-files 0", "want at least 1"}},
		{[]string{"-package-bytes", "0"}, []string{"-package-bytes 0", "want at least 1"}},
		{[]string{"-cache-events", "0"}, []string{"-cache-events 0", "want at least 1"}},
		{[]string{"-max-subscribers", "0"}, []string{"-max-subscribers 0", "want at least 1"}},
		{[]string{"-max-conns", "0"}, []string{"-max-conns 0", "want at least 1"}},
		{[]string{"-max-conns-per-addr", "-1"}, []string{"-max-conns-per-addr -1", "want at least 0"}},
		{[]string{"-call-timeout", "0"}, []string{"-call-timeout 0s", "want more than 0"}},
		{[]string{"-heartbeat", "-1ms"}, []string{"-heartbeat -1ms", "want more than 0"}},
		{[]string{"-heartbeat", "999us"}, []string{"-heartbeat 999µs", "want at least 1ms, and at most 10m0s"}},
		{[]string{"-heartbeat", "601s"}, []string{"-heartbeat 10m1s", "want at least 1ms, and at most 10m0s"}},
		{[]string{"-progress-interval", "0"}, []string{"-progress-interval 0s", "want more than 0"}},
		{[]string{"-addr", "localhost"}, []string{"-addr localhost", "want HOST:PORT"}},
		{[]string{"-addr", ""}, []string{"-addr", "want HOST:PORT"}},
		{[]string{"-addr", "localhost:99999"}, []string{"-addr localhost:99999", "want HOST:PORT"}},
		{[]string{"-debug", "6060"}, []string{`-debug "6060"`, "want HOST:PORT or :PORT"}},
		{[]string{"-log-format", "xml"}, []string{"-log-format xml", "want text or json"}},
		{[]string{"-log-level", "loud"}, []string{"-log-level loud", "want debug, info, warn or error"}},
		{[]string{"src"}, []string{"src has no destination", "SRC DST"}},
		{[]string{"src", "b", "c"}, []string{"c has no destination"}},
		{[]string{"src", ""}, []string{"an empty path", "SRC DST"}},
		{[]string{"src", "b", "-once"}, []string{"-once stands after the paths", "flags come first"}},
		{[]string{"src", "b", "-addr", ":1"}, []string{"-addr stands after the paths", "./-addr"}},
		{[]string{"src", "src"}, []string{"same directory", filepath.Join(dir, "src")}},
		{[]string{"-delete", "src", "."}, []string{"inside the destination", "-delete would delete it"}},
		{[]string{"src", "b", "other", "./b/"}, []string{"two pairs have the same destination", filepath.Join(dir, "b")}},
		{[]string{"src", "b", "other", "b/below"}, []string{"one inside the other's", filepath.Join(dir, "b", "below")}},
		{[]string{"src", "b/below", "other", "b"}, []string{"one inside the other's", filepath.Join(dir, "b", "below")}},
		{[]string{"-token-file", "missing"}, []string{"-token-file", "missing", "no such file", "name a file"}},
		{[]string{"-tls-cert", "junk"}, []string{"-tls-cert and -tls-key go together"}},
		{[]string{"-tls-key", "junk"}, []string{"-tls-cert and -tls-key go together"}},
		{[]string{"-tls-client-ca", "junk"}, []string{"-tls-client-ca", "needs -tls-cert and -tls-key"}},
		{[]string{"-tls-cert", "junk", "-tls-key", "junk"}, []string{"-tls-cert", "PEM"}},
		{[]string{"-tls-cert", "missing", "-tls-key", "junk"}, []string{"-tls-cert", "missing"}},
	} {
		code, out, errs := command(t, append([]string{"-addr", "127.0.0.1:0"}, tc.args...)...)
		if code != exitUsage || out != "" {
			t.Errorf("%v: exit %d, %q", tc.args, code, out)
		}
		for _, want := range append(tc.want, "momserver -h shows the flags.\n") {
			if !strings.Contains(errs, want) {
				t.Errorf("%v: no %q in %q", tc.args, want, errs)
			}
		}
	}
}

// TestDashPath accepts a path that begins with a dash, if it cannot be a flag.
func TestDashPath(t *testing.T) {
	if c, err := parseFlags([]string{"./-src", "./--"}, noEnv); err != nil || len(c.paths) != 2 {
		t.Error(err)
	}
}

func writePair(t *testing.T, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key := certs.PEM(c)
	os.WriteFile(certFile, cert, 0o600)
	os.WriteFile(keyFile, key, 0o600)
	return certFile, keyFile
}

// TestTokenHidden prints the flags without their token.
func TestTokenHidden(t *testing.T) {
	c, err := parseFlags([]string{"SRC", "DST"}, func(string) string { return "sesame-4711" })
	if err != nil || c.Server.Token != "sesame-4711" {
		t.Fatalf("%+v, %v", c, err)
	}
	if said := fmt.Sprintf("%v %+v %#v %v", c, c, c, *c); strings.Contains(said, "sesame") {
		t.Errorf("printed: %s", said)
	}
}

// TestTLSFlags reads certificates, and refuses a CA file without one and a key
// of another certificate.
func TestTLSFlags(t *testing.T) {
	authority := certs.NewAuthority()
	cert, key := writePair(t, authority.Issue("server", time.Hour, "127.0.0.1"))
	other, _ := writePair(t, authority.Issue("client", time.Hour))
	c, err := parseFlags([]string{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", other}, noEnv)
	if err != nil || c.Server.TLS.ClientAuth != tls.RequireAndVerifyClientCert || c.Server.TLS.MinVersion != tls.VersionTLS13 {
		t.Error(err)
	}
	if c, err = parseFlags([]string{"-tls-cert", cert, "-tls-key", key}, noEnv); err != nil || c.Server.TLS.ClientAuth != tls.NoClientCert {
		t.Error(err)
	}
	for _, args := range [][]string{
		{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", key},
		{"-tls-cert", cert, "-tls-key", key, "-tls-client-ca", filepath.Join(t.TempDir(), "none")},
		{"-tls-cert", other, "-tls-key", key},
	} {
		if code := run(context.Background(), args, noEnv, new(bytes.Buffer), new(bytes.Buffer)); code != exitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}
