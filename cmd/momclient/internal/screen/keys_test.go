package screen

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func text(s string) key     { return key{text: s} }
func special(n keyName) key { return key{name: n} }

// TestKeys decodes keys, in one piece and byte by byte.
func TestKeys(t *testing.T) {
	long := strings.Repeat("ö", maxPaste)
	for typed, want := range map[string][]key{
		"q":                                     {text("q")},
		"ä日🚢":                                   {text("ä"), text("日"), text("🚢")},
		"\r\n\x7f\b\t\x15\x0c":                  {special(keyEnter), special(keyEnter), special(keyBackspace), special(keyBackspace), special(keyTab), special(keyClear), special(keyRedraw)},
		"\x1b[A\x1b[B\x1bOA\x1bOB\x1b[1;5A":     {special(keyUp), special(keyDown), special(keyUp), special(keyDown), special(keyUp)},
		"\x1b[5~\x1b[6~\x1b[5;2~":               {special(keyPageUp), special(keyPageDown), special(keyPageUp)},
		"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~":     {special(keyHome), special(keyEnd), special(keyHome), special(keyEnd), special(keyHome)},
		"\x1bOM":                                {special(keyEnter)},
		"\x1b":                                  {special(keyEscape)},
		"\x1b\x1b":                              {special(keyEscape), special(keyEscape)},
		"\x1bq":                                 {special(keyEscape), text("q")},
		"\x1b\x1b[A":                            {special(keyEscape), special(keyUp)},
		"\x1b[[Ax\x1b[15~x\x1b[<0;1;1Mx":        {text("x"), text("x"), text("x")},
		"\x1b[" + strings.Repeat("1", 30) + "A": {text("A")},
		"\x1b[1\x03x":                           {text("x")},
		"\x00\x01\xff\xc3q":                     {text("q")},
		beginPaste + "qö\x1b[A\r" + endPaste + "j": {{text: "qö\x1b[A\r", paste: true}, text("j")},
		beginPaste + endPaste + "j":                {text("j")},
		beginPaste + long + endPaste + "j":         {{text: long[:maxPaste], paste: true}, text("j")},
		beginPaste + "cut off\x1b[2":               {{text: "cut off\x1b[2", paste: true}},
		beginPaste:                                 {},
	} {
		for _, whole := range []bool{true, false} {
			now := time.Unix(0, 0)
			var d decoder
			var got []key
			if whole {
				got = d.keys([]byte(typed), now)
			}
			for i := 0; i < len(typed) && !whole; i++ {
				got = append(got, d.keys([]byte{typed[i]}, now)...)
				now = now.Add(escapeTime / 2)
			}
			got = append(got, d.keys(nil, now.Add(pasteTime))...)
			got = append(got, d.keys(nil, now.Add(2*pasteTime))...)
			got = slices.DeleteFunc(got, func(k key) bool { return k == key{} })
			if !slices.Equal(got, want) || len(d.rest) > 0 || d.pasting {
				t.Errorf("%q, whole %v: got %+v, want %+v; then %+v", typed, whole, got, want, d)
			}
		}
	}
}

// TestEscape: an escape key is known after a time, and not before.
func TestEscape(t *testing.T) {
	var d decoder
	now := time.Unix(0, 0)
	if got := d.keys([]byte("\x1b"), now); len(got) > 0 {
		t.Errorf("at once: %v", got)
	}
	if got := d.keys(nil, now.Add(escapeTime-1)); len(got) > 0 {
		t.Errorf("too early: %v", got)
	}
	if got := d.keys(nil, now.Add(escapeTime)); len(got) != 1 || got[0].name != keyEscape {
		t.Errorf("%v", got)
	}
	d.keys([]byte("\x1b"), now)
	if got := d.keys([]byte("[A"), now.Add(escapeTime)); len(got) != 1 || got[0].name != keyUp {
		t.Errorf("a late rest: %v", got)
	}
}
