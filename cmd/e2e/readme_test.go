//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// readmeBlock returns the block of indented lines of README.md that begins with begin.
func readmeBlock(t *testing.T, begin string) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n\n    "+begin)
	if !found {
		t.Fatalf("README.md has no lines that begin with %s", begin)
	}
	block, _, _ := strings.Cut(begin+rest, "\n\n")
	return block
}

// TestReadmeTry runs the first commands of README.md in a checkout without a build.
func TestReadmeTry(t *testing.T) {
	if os.Getenv(envSlow) == "" {
		t.Skip("takes twenty seconds; set " + envSlow)
	}
	cmd := exec.Command("bash", "-c", readmeBlock(t, "exec 3<"))
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"msg=listening", "succeeded: 69 files, 3 packages", "msg=mirrored"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, no %s in\n%s", err, want, out)
		}
	}
}

// TestReadmeSecrets makes a token and certificates as README.md says, and uses them.
func TestReadmeSecrets(t *testing.T) {
	for _, name := range []string{"bash", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	script := readmeBlock(t, "(umask 077; head") + "\n" + readmeBlock(t, "(umask 077; host=")
	t.Chdir(t.TempDir())
	if out, err := exec.Command("bash", "-e", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"mom.token", "ca.key", "server.key", "operator.key"} {
		if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	srv, addr := serve(t, "", "-tls-cert", "server.pem", "-tls-key", "server.key", "-tls-client-ca", "ca.pem", "-token-file", "mom.token", "-once", "-wait", "1", t.TempDir(), t.TempDir())
	monitor := start(t, "momclient", "-addr", addr, "-tls-ca", "ca.pem", "-tls-cert", "operator.pem", "-tls-key", "operator.key", "-token-file", "mom.token", "-exit-when-done")
	monitor.exits(0)
	srv.exits(0, `requires="TLS, client certificate, token"`, "identity=operator")
}
