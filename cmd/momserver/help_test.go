package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"mom.internal/cmd/internal/help"
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

// TestAbout prints the manual page, and a completion that has every flag and every
// value, for each shell.
func TestAbout(t *testing.T) {
	_, page, _ := command(t, "-man")
	if !strings.HasPrefix(page, ".TH MOMSERVER 1 ") || strings.IndexFunc(page, func(r rune) bool { return r > '~' }) >= 0 {
		t.Errorf("%s", page)
	}
	c := manual()
	for _, shell := range strings.Fields(help.Shells) {
		code, script, errs := command(t, "-completion", shell)
		if code != exitOK || errs != "" {
			t.Errorf("%s: exit %d, %s", shell, code, errs)
		}
		c.Flags.VisitAll(func(f *flag.Flag) {
			for _, want := range []string{f.Name, c.Values[f.Name]} {
				if !strings.Contains(script, want) {
					t.Errorf("%s: no %s", shell, want)
				}
			}
			for _, value := range strings.Fields(c.Values[f.Name]) {
				if err := f.Value.Set(value); err != nil {
					t.Errorf("-%s %s: %v", f.Name, value, err)
				}
			}
		})
		for name := range c.Values {
			if c.Flags.Lookup(name) == nil {
				t.Errorf("no flag -%s", name)
			}
		}
	}
	if code, _, errs := command(t, "-completion", "tcsh"); code != exitUsage || !strings.Contains(errs, "want bash, zsh or fish") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
