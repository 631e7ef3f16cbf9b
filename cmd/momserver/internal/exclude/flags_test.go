package exclude

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlags keeps the order of the command line.
func TestFlags(t *testing.T) {
	name := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(name, []byte("!b\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func(args ...string) (*Set, error) {
		s := new(Set)
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		fs.Var(s.Pattern(), "exclude", "")
		fs.Var(s.File(), "exclude-from", "")
		return s, fs.Parse(args)
	}
	s, err := parse("-exclude", "a", "-exclude", "b", "-exclude-from", name, "-exclude", "!c")
	if err != nil || !s.Match("a", false) || s.Match("b", false) || s.Match("c", false) {
		t.Errorf("%v, %+v", err, s)
	}
	if _, err := parse("-exclude", "[a"); err == nil || !strings.Contains(err.Error(), `"[a" for flag -exclude: a [ without its ]`) {
		t.Error(err)
	}
	if _, err := parse("-exclude-from", name+".none"); err == nil || !strings.Contains(err.Error(), "for flag -exclude-from: open ") {
		t.Error(err)
	}
}
