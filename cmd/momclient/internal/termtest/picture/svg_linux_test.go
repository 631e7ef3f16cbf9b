package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/termtest"
)

// texts reads a picture as XML, and returns its texts.
func texts(t *testing.T, picture []byte) string {
	t.Helper()
	var all []string
	d := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, "|")
		}
		if err != nil {
			t.Fatalf("%v in %s", err, picture)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			all = append(all, string(text))
		}
	}
}

func TestSVG(t *testing.T) {
	s := termtest.NewScreen(40, 3)
	s.Write([]byte("\x1b[1mbold\x1b[m plain \x1b[31m<img src=\"&\">\x1b[m\r\n\x1b[36m██░░\x1b[m  50%\r\n日本 \x1b[7mx\x1b[m"))
	picture := svg(s)
	if got, want := texts(t, picture), `bold| plain|<img src="&">|  50%|日|本|x`; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	for _, want := range []string{`font-weight="bold"`, `fill="#ff7b72"`, `width="16.8" height="12" fill="#56d4dd"/>`, `opacity=".22"`, `<rect x="56.0" y="50" width="8.4" height="18" fill="#2f4a6b"/>`, `x="14.0" y="63.5" textLength="16.8"`} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("no %s in %s", want, picture)
		}
	}
}

// TestWatch draws a real program when its screen matches.
func TestWatch(t *testing.T) {
	screen, err := watch([]string{"sh", "-c", "printf one; read x"}, 20, 4, time.Minute, step{until: "one"})
	if err != nil || screen.Text() != "one\n" {
		t.Errorf("%v, %v", screen, err)
	}
	screen, err = watch([]string{"sh", "-c", "stty -echo; printf one; read x; printf $x$x"}, 20, 4, time.Minute, step{"one", "two\n"}, step{until: "twotwo"})
	if err != nil || screen.Text() != "onetwotwo\n" {
		t.Errorf("%v, %v", screen, err)
	}
	if _, err := watch([]string{"sh", "-c", "printf one"}, 20, 4, time.Minute, step{until: "two"}); err == nil || !strings.Contains(err.Error(), `no "two"`) {
		t.Errorf("%v", err)
	}
	if _, err := watch([]string{"sh", "-c", "printf '\\033[99x'; read x"}, 20, 4, time.Minute, step{until: "one"}); err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("%v", err)
	}
}

// TestPictures checks that the pictures in the repository are small and
// complete.
func TestPictures(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "..", "testdata", "pictures")
	paths, err := filepath.Glob(filepath.Join(dir, "terminal*.svg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		picture, err := os.ReadFile(path)
		if err != nil || len(picture) > 60_000 {
			t.Errorf("%s: %d bytes, %v", path, len(picture), err)
		}
		if !regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).MatchString(texts(t, picture)) {
			t.Errorf("%s shows no server", path)
		}
	}
}
