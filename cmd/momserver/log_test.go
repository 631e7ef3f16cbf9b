package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestLogJSON has every line be an object, that which says why it failed too.
func TestLogJSON(t *testing.T) {
	paths := sites(t, 1)
	for _, tc := range []struct {
		args []string
		code int
		last string // message
	}{
		{paths, exitOK, "mirrored"},
		{[]string{"-addr", "127.0.0.1:7420x", paths[0], paths[1]}, exitUsage, ""},
		{[]string{"-addr", "192.0.2.1:0", paths[0], paths[1]}, exitFailed, "cannot listen on 192.0.2.1:0"},
		{[]string{paths[0], paths[0]}, exitUsage, "same directory"},
	} {
		code, stderr := once(t, append([]string{"-log-format", "json"}, tc.args...)...)
		if code != tc.code {
			t.Errorf("%v: exit %d\n%s", tc.args, code, stderr)
		}
		if tc.last == "" {
			continue // the flags themselves are wrong: plain text, for a person
		}
		last := ""
		for line := range strings.Lines(stderr) {
			var l struct {
				Time  time.Time
				Level string
				Msg   string
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time.IsZero() || l.Level == "" || l.Msg == "" {
				t.Errorf("%v: %q: %v", tc.args, line, err)
			}
			last = l.Msg
		}
		if !strings.Contains(last, tc.last) {
			t.Errorf("%v: the last line is %q; want %q", tc.args, last, tc.last)
		}
	}
}

// TestLogLevel logs from the level up.
func TestLogLevel(t *testing.T) {
	paths := sites(t, 1)
	for _, tc := range []struct {
		level string
		info  bool
	}{{"debug", true}, {"info", true}, {"warn", false}, {"error", false}} {
		_, stderr := once(t, append([]string{"-log-level", tc.level}, paths...)...)
		if strings.Contains(stderr, "level=INFO") != tc.info {
			t.Errorf("%s:\n%s", tc.level, stderr)
		}
	}
	if _, stderr := once(t, "-log-level", "error", paths[0]+"none", paths[1]); !strings.Contains(stderr, "level=ERROR") {
		t.Errorf("an error is not logged:\n%s", stderr)
	}
}
