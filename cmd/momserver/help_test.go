package main

import (
	"os"
	"strings"
	"testing"

	"mom.internal/cmd/internal/help/helptest"
)

// TestHelp prints a screen that has every flag in a group.
func TestHelp(t *testing.T) {
	code, out, errs := command(t, "-h")
	if n := strings.Count(out, "\n"); code != exitOK || errs != "" || n < 24 || n > 70 || strings.Contains(out, "Other:") {
		t.Errorf("exit %d, %q, %d lines\n%s", code, errs, n, out)
	}
	for line := range strings.Lines(out) {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

// TestHelpExamples parses the examples of -h.
func TestHelpExamples(t *testing.T) {
	t.Chdir(t.TempDir())
	os.WriteFile("mom.token", []byte("secret\n"), 0o600)
	parsed := 0
	for line := range strings.Lines(examples) {
		args := strings.Fields(strings.Split(strings.TrimSpace(line), "   ")[0])
		if len(args) == 0 || args[0] != "momserver" {
			continue
		}
		parsed++
		if c, err := parseFlags(args[1:], noEnv); err != nil || len(c.paths) == 0 {
			t.Errorf("%s: %v", line, err)
		}
	}
	if parsed != 4 {
		t.Errorf("%d examples", parsed)
	}
}

// TestAbout prints the manual page, and a completion for each shell.
func TestAbout(t *testing.T) { helptest.About(t, manual(), command) }
