package limit

import (
	"flag"
	"io"
	"strings"
	"testing"
)

func TestDeletions(t *testing.T) {
	for _, tc := range []struct {
		text       string // "" for the default
		files, max int
	}{
		{"", 1000, 500}, {"", 1001, 500}, {"", 21, 10}, {"", 22, 11}, {"", 12, 10}, {"", 0, 10},
		{"50%", 1000, 500}, {"100%", 1000, 1000}, {"100.000000%", 37, 37}, {"1%", 1000, 10}, {"1%", 100_000, 1000}, {"0.1%", 100_000, 100}, {"12.5%", 800, 100},
		{"33.333333%", 3_000_000, 999_999}, {"0.29%", 10_000, 29}, {"57.3%", 1000, 573}, {"2.3%", 3000, 69},
		{"0%", 1000, 0}, {"0.0%", 1000, 0}, {"0.000001%", 1000, 10},
		{"0", 1000, 0}, {"1", 1000, 1}, {"9", 10, 9}, {"007", 1000, 7}, {"1000000", 10, 1000000},
	} {
		var d Deletions
		if tc.text != "" {
			if err := d.Set(tc.text); err != nil {
				t.Errorf("%q: %v", tc.text, err)
				continue
			}
		}
		if !d.Allows(tc.max, tc.files) || d.Allows(tc.max+1, tc.files) {
			t.Errorf("%q of %d files: %d are allowed: %t, and one more: %t", tc.text, tc.files, tc.max, d.Allows(tc.max, tc.files), d.Allows(tc.max+1, tc.files))
		}
		if got := d.String(); got != tc.text && tc.text != "" || got == "" {
			t.Errorf("%q is printed as %q", tc.text, got)
		}
	}
	for _, text := range []string{"", "-1", "-1%", "101%", "100.1%", "1000%", "half", "%", "1.5", "1e3", "50 %", "50%%", ".5%", "5.%", "NaN%", "1234567890123456"} {
		d := Deletions{text: "7", n: 7}
		if err := d.Set(text); err == nil || d.String() != "7" || !strings.Contains(err.Error(), "as 1000") {
			t.Errorf("%q: %v, %v", text, err, &d)
		}
	}
}

func TestFlag(t *testing.T) {
	var d Deletions
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var(&d, "max-delete", "")
	if got := fs.Lookup("max-delete").DefValue; got != "50%" {
		t.Errorf("the default is %s", got)
	}
	if err := fs.Parse([]string{"-max-delete", "3"}); err != nil || d.Allows(4, 100) || d.Get() != d {
		t.Error(&d, err)
	}
	if err := fs.Parse([]string{"-max-delete", "all"}); err == nil || !strings.Contains(err.Error(), `"all" for flag -max-delete: want a number of files`) {
		t.Error(err)
	}
}
