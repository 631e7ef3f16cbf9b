package width

import (
	"testing"
	"unicode"
)

func TestString(t *testing.T) {
	for text, want := range map[string]int{
		"":                          0,
		"site":                      4,
		"Öppettider":                10,
		"O\u0308ppet":               5, // a combining mark
		"日本語":                       6,
		"ｆｕｌｌ":                      8,
		"한글":                        4,
		"\u1112\u1161":              2, // a wide initial and a vowel
		"🚢 harbour":                 10,
		"a\u0301\u0302\u0303\u20dd": 1,
		"█░…":                       3,
		"𠀀":                         2,
		"⌚⏰⏳":                       6,
		"👩\u200d👩\u200d👧\u200d👦 assets": 9,
		"🏳\ufe0f\u200d🌈":                2,
		"👍🏽👍":                           4,
		"❤\ufe0f❤":                      3,
		"🇸🇪🇩🇪x":                         5,
		"🇸🇪🇩":                           3,
		"a\u200d🚢\u200db":               4, // these join nothing
		"\u2068שלום\u2069":              4,
	} {
		if got := String(text); got != want {
			t.Errorf("%q takes %d columns; want %d", text, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		text string
		n    int
		want string
		cols int
	}{
		{"harbour", 7, "harbour", 7},
		{"harbour", 6, "harbo…", 6},
		{"日本語", 6, "日本語", 6},
		{"日本語", 5, "日本…", 5},
		{"日本語", 4, "日…", 3}, // half a character cannot be shown
		{"ao\u0308bc", 3, "ao\u0308…", 3},
		{"harbour", 1, "…", 1},
		{"harbour", 0, "", 0},
		{"harbour", -1, "", 0},
		{"", 3, "", 0},
		{"👩\u200d👩\u200d👧 ok", 4, "👩\u200d👩\u200d👧 …", 4}, // clipped at no joiner
		{"👩\u200d👩\u200d👧 ok", 2, "…", 1},
	} {
		if got, cols := Clip(tc.text, tc.n, "…"); got != tc.want || cols != tc.cols {
			t.Errorf("Clip(%q, %d) = %q, %d; want %q, %d", tc.text, tc.n, got, cols, tc.want, tc.cols)
		}
	}
	if got, cols := Clip("harbour", 2, "..."); got != ".." || cols != 2 {
		t.Errorf("%q, %d", got, cols)
	}
}

// TestTable checks the order of the table, because unicode.Is finds nothing in
// a table that is out of order.
func TestTable(t *testing.T) {
	last := rune(0)
	for _, r := range wide.R16 {
		if rune(r.Lo) <= last || r.Hi < r.Lo {
			t.Errorf("%x is out of order", r.Lo)
		}
		last = rune(r.Hi)
	}
	for _, r := range wide.R32 {
		if rune(r.Lo) <= last || r.Hi < r.Lo {
			t.Errorf("%x is out of order", r.Lo)
		}
		last = rune(r.Hi)
	}
	for _, r := range []rune{'国', 'あ', '！', '🙂', 0x2693, 0x267f} {
		if !unicode.Is(wide, r) {
			t.Errorf("%c is not wide", r)
		}
	}
	for _, r := range []rune{'ä', '→', '─', '♥', 0x2680, 'א'} {
		if unicode.Is(wide, r) {
			t.Errorf("%c is wide", r)
		}
	}
}

// TestNext checks the sequences on whose width terminals disagree.
func TestNext(t *testing.T) {
	for text, certain := range map[string]bool{"a": true, "日本": true, "🚢": true, "o\u0308": true, "👩\u200d👧": false, "👍🏽": false, "❤\ufe0f": false, "🇸🇪": false} {
		if n, _, got := Next(text); got != certain || text != "日本" && n != len(text) {
			t.Errorf("%q: %d bytes, certain %v", text, n, got)
		}
	}
}
