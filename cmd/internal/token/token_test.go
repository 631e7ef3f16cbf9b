package token

import (
	"os"
	"strings"
	"testing"

	"mom.internal/wire"
)

// TestRead takes the token from the file before the environment, and refuses one
// that no server takes.
func TestRead(t *testing.T) {
	t.Chdir(t.TempDir())
	long := strings.Repeat("x", wire.MaxTokenBytes+1)
	for name, text := range map[string]string{"good": "from the file \r\n", "empty": "\n", "long": long, "two": "a\nb\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ file, env, want, fault string }{
		{"", "", "", ""}, {"", "from the environment", "from the environment", ""}, {"good", "from the environment", "from the file ", ""},
		{"missing", "", "", "-token-file: open missing: no such file"}, {"empty", "", "", "-token-file empty holds no token"}, {"two", "", "", "-token-file two holds more than one line"},
		{"long", "", "", "-token-file long: a token of 1025 bytes; at most 1024"}, {"", long, "", "MOM_TOKEN: a token of 1025 bytes"},
	} {
		got, err := Read(tc.file, func(string) string { return tc.env })
		if got != tc.want || (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
			t.Errorf("%q, %.30q: %q, %v", tc.file, tc.env, got, err)
		}
	}
}
