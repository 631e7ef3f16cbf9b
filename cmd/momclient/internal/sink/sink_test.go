package sink

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNew tells URLs from commands, reads a value from a file, and has a label that
// reveals no secret.
func TestNew(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	for value, want := range map[string]string{
		"https://user:secret@ntfy.example:443/secret?secret":       "https://ntfy.example:443",
		"HTTP://ntfy.example/secret":                               "http://ntfy.example",
		"sort -s secret ann":                                       "command sort",
		"TOKEN=secret  env https://x/secret":                       "command env",
		file("url", " https://hooks.example/secret \nnext line\n"): "https://hooks.example",
		file("command", "printf secret"):                           "command printf",
	} {
		s, err := New(value, "text", nil)
		if err != nil || s.Label != want || strings.Contains(s.Key, "secret") || len(s.Key) != 12 {
			t.Errorf("%s: %+v %v", value, s, err)
		}
	}
	for value, want := range map[string]string{
		"https://":                          "the URL has no host",
		"no-such-command secret":            "the command no-such-command is not found",
		"A=secret ./no-such-command":        "the command ./no-such-command is not found",
		"https://a:secret@b:port/":          "the URL is wrong: invalid port",
		"@" + filepath.Join(dir, "missing"): "no such file",
		file("empty", "\nhttps://late"):     "want a URL or a command in its first line",
	} {
		if _, err := New(value, "text", nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", value, err)
		}
	}
	for _, command := range []string{": > file", "if true; then true; fi", "(no-such-command)", "$PROGRAM", "~/bin/program"} {
		if _, err := New(command, "text", nil); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	a, _ := New("https://a", "text", nil)
	b, _ := New("https://a", "slack", nil)
	if a.Key == b.Key {
		t.Error("two formats have the same key")
	}
}
