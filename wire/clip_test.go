package wire

import (
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		text        string
		n           int
		want, front string
	}{
		{"", 0, "", ""},
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "abc…", "…bcd"},
		{"aäb", 2, "a…", "…b"}, // not within a letter
		{"a\xffb", 3, "a\xffb", "a\xffb"},
		{"a\xffbc", 3, "ab…", "…bc"},
	} {
		for _, got := range []struct {
			name, text, want string
		}{{"Clip", Clip(tc.text, tc.n), tc.want}, {"ClipFront", ClipFront(tc.text, tc.n), tc.front}} {
			if got.text != got.want {
				t.Errorf("%s(%q, %d) = %q; want %q", got.name, tc.text, tc.n, got.text, got.want)
			}
			if len(got.text) > tc.n+len("…") || len(tc.text) > tc.n && !utf8.ValidString(got.text) {
				t.Errorf("%s(%q, %d) = %q", got.name, tc.text, tc.n, got.text)
			}
		}
	}
}
