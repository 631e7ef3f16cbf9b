package termtest

import "testing"

func TestScreen(t *testing.T) {
	for name, tc := range map[string]struct{ write, want string }{
		"lines":         {"one\r\ntwo\nthree", "one\ntwo\n   three\n"},
		"wrap":          {"0123456789ab", "0123456789\nab\n"},
		"no wrap":       {"\x1b[?7l0123456789ab", "012345678b\n"},
		"scroll":        {"a\r\nb\r\nc\r\nd\r\ne", "b\nc\nd\ne\n"},
		"place":         {"\x1b[2;4Hx\x1b[Hy\x1b[3Gz", "y z\n   x\n"},
		"erase a line":  {"abcdef\x1b[3G\x1b[K", "ab\n"},
		"erase below":   {"a\r\nbcd\r\ne\x1b[2;2H\x1b[J", "a\nb\n"},
		"wide":          {"日本x\x1b[5Gy", "日本y\n"},
		"combining":     {"o\u0308x", "o\u0308x\n"},
		"joined":        {"👩\u200d👧x\x1b[4Gy", "👩\u200d👧xy\n"},
		"a wider one":   {"❤\ufe0fx\x1b[4Gy", "❤\ufe0fxy\n"},
		"flag":          {"🇸🇪x\x1b[4Gy", "🇸🇪xy\n"},
		"alternate":     {"main\x1b[?1049hother\x1b[?1049l+", "main+\n"},
		"in two writes": {"\x1b[3", "     ab\n"},
	} {
		s := NewScreen(10, 4)
		s.Write([]byte(tc.write))
		if name == "in two writes" {
			s.Write([]byte("0;1H\x1b[1;6H"))
			s.Write([]byte("ab"))
		}
		if got := s.Text(); got != tc.want {
			t.Errorf("%s: %q; want %q", name, got, tc.want)
		}
		if len(s.Unknown) > 0 {
			t.Errorf("%s: %q", name, s.Unknown)
		}
	}
}

// TestOlder: an older terminal gives each emoji its own columns.
func TestOlder(t *testing.T) {
	s := NewScreen(10, 1)
	s.Older = true
	s.Write([]byte("👩\u200d👧❤\ufe0f\x1b[6Gy"))
	if got := s.Text(); got != "👩\u200d👧❤\ufe0fy\n" {
		t.Errorf("%q", got)
	}
}

func TestModes(t *testing.T) {
	s := NewScreen(10, 4)
	s.Write([]byte("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2026h\x1b[?2004h\x1b[1;31mx\x1b[0my"))
	if !s.Alternate || !s.Hidden || !s.NoWrap || !s.Syncing || !s.Pasting {
		t.Errorf("%+v", s)
	}
	if x, y := s.Cells[0][0], s.Cells[0][1]; x != (Cell{Text: "x", Color: 31, Bold: true}) || y != (Cell{Text: "y"}) {
		t.Errorf("%+v, %+v", x, y)
	}
	s.Write([]byte("\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"))
	if s.Alternate || s.Hidden || s.NoWrap || s.Syncing || s.Pasting {
		t.Errorf("%+v", s)
	}
	s.Write([]byte("\x1b[5A\x1bc\x1b[?99h\x1b[45m"))
	if len(s.Unknown) != 4 {
		t.Errorf("%q", s.Unknown)
	}
	s.Resize(3, 1)
	s.Write([]byte("\x1b[Habcd"))
	if got := s.Text(); got != "d\n" {
		t.Errorf("%q", got)
	}
}
