package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestLogJSON writes every line as an object, even the error at the end.
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
			continue // wrong flags are reported as text, for a person
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

// TestLogNames: a name that is not UTF-8 has the same form in both formats. In a text
// log, quotes distinguish the form from a name that consists of the same characters.
func TestLogNames(t *testing.T) {
	for format, want := range map[string]string{
		"text": `msg="a\xff b" item="caf\xe9 b" like=caf\xe9 error="\xff"`,
		"json": `"msg":"a\\xff b","item":"caf\\xe9 b","like":"caf\\x5cxe9","error":"\\xff"}`,
	} {
		var out strings.Builder
		log := (&config{logFormat: format, logLevel: "info"}).newLogger(&out)
		log.Info("a\xff b", "item", "caf\xe9 b", "like", `caf\xe9`, "error", errors.New("\xff"))
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s\nwant %s", format, &out, want)
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

// TestLogNamesFlags names flags of the command, and no setting of the library.
func TestLogNamesFlags(t *testing.T) {
	for name, flag := range flagsOf {
		if flagSet(new(config)).Lookup(flag) == nil {
			t.Errorf("%s: there is no -%s", name, flag)
		}
	}
	for _, format := range []string{"text", "json"} {
		var out strings.Builder
		log := (&config{logFormat: format, logLevel: "info"}).newLogger(&out)
		log.Info("dropped", "detail", "unanswered after 5s (Config.CallTimeout)", "lag", 3)
		log.Info("refused", "error", errors.New("not in time (Config.HandshakeTimeout)"), slog.Group("of", "error", errors.New("1 already (Config.MaxConns), no more")))
		text := out.String()
		if strings.Contains(text, "Config.") || !strings.Contains(text, `"unanswered after 5s (-call-timeout)"`) || !strings.Contains(text, `"not in time"`) || !strings.Contains(text, `"1 already (-max-conns), no more"`) || !strings.Contains(text, "3") {
			t.Errorf("%s:\n%s", format, text)
		}
	}
}
