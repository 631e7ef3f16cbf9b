package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"mom.internal/cmd/internal/help/helptest"
)

// TestHelp prints a screen that has every flag in a group.
func TestHelp(t *testing.T) {
	code, out, errs := command(t, "-h")
	if n := strings.Count(out, "\n"); code != exitOK || errs != "" || n < 24 || n > 74 || strings.Contains(out, "Other:") {
		t.Errorf("exit %d, %q, %d lines\n%s", code, errs, n, out)
	}
	for line := range strings.Lines(out) {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

var update = flag.Bool("update", false, "write testdata/help.txt again")

// TestHelpGolden prints testdata/help.txt. -update writes it again.
func TestHelpGolden(t *testing.T) {
	_, out, _ := command(t, "-h")
	const path = "testdata/help.txt"
	if *update {
		if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); out != want {
		t.Errorf("momclient -h prints\n%s\nwant\n%s\nrun go test -run TestHelpGolden -update, and look at the difference", out, want)
	}
}

// TestHelpExamples parses the examples of -h.
func TestHelpExamples(t *testing.T) {
	parsed := 0
	for line := range strings.Lines(examples) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   ")
		line, _, _ = strings.Cut(line, " >>")
		args := strings.Fields(strings.ReplaceAll(line, `"site to staging"`, "site"))
		if len(args) == 0 || args[0] != "momclient" {
			continue
		}
		parsed++
		if _, err := parseFlags(args[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if parsed != 5 || strings.Count(examples, "  momclient -http :8420") != 1 {
		t.Errorf("%d examples, or none of -http", parsed)
	}
}

// TestAbout prints the manual page, and a completion for each shell.
func TestAbout(t *testing.T) { helptest.About(t, manual(), command) }
