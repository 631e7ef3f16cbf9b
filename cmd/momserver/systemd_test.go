//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mom.internal/wire"
)

const unitFile = "../../testdata/systemd/momserver.service"

// readUnit returns the text of the unit, and its settings.
func readUnit(t *testing.T) (text string, settings map[string]string) {
	t.Helper()
	data, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	settings = make(map[string]string)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			if _, twice := settings[key]; twice {
				t.Errorf("%s is set twice", key)
			}
			settings[key] = value
		}
	}
	return string(data), settings
}

// TestUnit compares the unit with the command: its flags, the token, the time
// of the drain, the socket of the manager, and the mode bits that are mirrored.
func TestUnit(t *testing.T) {
	text, unit := readUnit(t)
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(strings.ReplaceAll(unit["ExecStart"], "${CREDENTIALS_DIRECTORY}", credentials))
	c, err := parseFlags(args[1:], noEnv)
	if err != nil || c.token.Get() != "secret" || len(c.paths) != 2 || c.logFormat != "json" || c.debug == "" {
		t.Fatalf("%v: %+v, %v", args, c, err)
	}
	if !strings.HasPrefix(unit["LoadCredential"], "token:") || !strings.Contains(text, fmt.Sprintf("at most %d bytes", wire.MaxTokenBytes)) {
		t.Error("the token is not handed over as the flags want it")
	}
	if unit["RequiresMountsFor"] != strings.Join(c.paths, " ") || unit["ReadWritePaths"] != c.paths[1] || unit["ProtectSystem"] != "strict" {
		t.Errorf("of %v only the last may be written to", c.paths)
	}
	if stop, err := time.ParseDuration(unit["TimeoutStopSec"]); err != nil || stop <= drainTime {
		t.Errorf("TimeoutStopSec %v, %v: subscribers have %v", stop, err, drainTime)
	}
	if unit["Type"] != "notify" || unit["KillSignal"] != "" || !slices.Contains(strings.Fields(unit["RestrictAddressFamilies"]), "AF_UNIX") {
		t.Error("the manager is not told, or ends it by another signal than SIGTERM")
	}
	if _, on := unit["RestrictSUIDSGID"]; on || unit["User"] == "" {
		t.Error("setuid bits could not be mirrored, or it runs as root")
	}
}

// TestUnitVerified lets systemd check the unit.
func TestUnitVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	text, unit := readUnit(t)
	command, _, _ := strings.Cut(unit["ExecStart"], " ")
	name := filepath.Join(t.TempDir(), "momserver.service")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, command, os.Args[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "--man=no", "verify", name).CombinedOutput()
	if err != nil || strings.Contains(string(out), name) {
		t.Errorf("%v\n%s", err, out)
	}
}
