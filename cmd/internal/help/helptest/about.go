// Package helptest tests that a command makes its manual page and its completions as
// package help says.
package helptest

import (
	"flag"
	"strings"
	"testing"

	"mom.internal/cmd/internal/help"
)

// About checks that the command, which run runs, prints its manual page, and for each
// shell a completion that has every flag and every value.
func About(t *testing.T, c *help.Command, run func(t *testing.T, args ...string) (code int, stdout, stderr string)) {
	t.Helper()
	_, page, _ := run(t, "-man")
	if !strings.HasPrefix(page, ".TH "+strings.ToUpper(c.Name)+" 1 ") || strings.IndexFunc(page, func(r rune) bool { return r > '~' }) >= 0 {
		t.Errorf("%s", page)
	}
	for name := range c.Values {
		if c.Flags.Lookup(name) == nil {
			t.Errorf("no flag -%s", name)
		}
	}
	for _, shell := range strings.Fields(help.Shells) {
		code, script, errs := run(t, "-completion", shell)
		if code != 0 || errs != "" {
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
	}
	if code, _, errs := run(t, "-completion", "tcsh"); code != 2 || !strings.Contains(errs, "want bash, zsh or fish") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
