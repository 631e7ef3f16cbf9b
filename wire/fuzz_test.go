package wire

import (
	"testing"

	"mom.internal/wire/wiretest/attack"
)

// FuzzWords parses the texts that people write.
func FuzzWords(f *testing.F) {
	for _, s := range States() {
		f.Add(s.String())
	}
	for _, text := range []string{
		"", "Transfering", "warning", "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4/42", "0b49b7e6-3df0-4ad0-a9d1-9a4b21f1b1e4/18446744073709551616",
		"00000000-0000-0000-0000-000000000000/1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		attack.Bounded(t, len(text), func() {
			if s, err := ParseState(text); err == nil {
				if again, err := ParseState(s.String()); err != nil || again != s || !s.Valid() {
					t.Errorf("%q is %v, and that %v: %v", text, s, again, err)
				}
			} else if len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if s, err := ParseSeverity(text); err == nil {
				if again, err := ParseSeverity(s.String()); err != nil || again != s {
					t.Errorf("%q is %v, and that %v: %v", text, s, again, err)
				}
			}
			if c, err := ParseCursor(text); err == nil {
				if again, err := ParseCursor(c.String()); err != nil || again != c || c.IsZero() {
					t.Errorf("%q is %v, and that %v: %v", text, c, again, err)
				}
			}
		})
	})
}
