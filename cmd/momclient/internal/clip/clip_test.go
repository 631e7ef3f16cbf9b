package clip

import "testing"

func TestText(t *testing.T) {
	for text, want := range map[string]string{"": "", "ab": "ab", "abc": "ab…", "aäb": "a…" /* not within a letter */, "a\xff": "a\xff", "a\xffb": "a…"} {
		if got := Text(text, 2); got != want {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
}
