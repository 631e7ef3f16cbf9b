package momserver

import "testing"

func TestClipFront(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abc": "abc", "abcd": "…bcd", "a\xffb": "a\xffb", "a\xffbc": "…bc",
		"aaäb": "…äb", "aäbb": "…bb", // not within a letter
	} {
		if got := clipFront(text, 3); got != want {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
}
