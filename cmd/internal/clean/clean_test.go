package clean

import "testing"

// TestText escapes characters that could control a terminal or break a line,
// and no others.
func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"visit/öppettider 日本.html":  "visit/öppettider 日本.html",
		`back\slash "quoted"`:       `back\slash "quoted"`,
		"two\nlines\r\tand a tab":   `two\nlines\r\tand a tab`,
		"\x1b[2J\x1b]0;title\a\x7f": `\x1b[2J\x1b]0;title\a\x7f`,
		"\u009b31m":                 `\u009b31m`,
		"cod\u202etxt.exe":          `cod\u202etxt.exe`,
		"a\u2028b\u2066c":           `a\u2028b\u2066c`,
		"bad\xff\xc3":               `bad\xff\xc3`,
		"said \ufffd":               "said \ufffd",
		"👩\u200d👩🏽\u200d👧 🏳\ufe0f\u200d🌈": "👩\u200d👩🏽\u200d👧 🏳\ufe0f\u200d🌈",
		"👩\u200d\u200d👧 a\u200d👧\u200d":   `👩\u200d\u200d👧 a\u200d👧\u200d`,
		"zero\x00\U000e0001":              `zero\x00\U000e0001`,
	} {
		if got := Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
