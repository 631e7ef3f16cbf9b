package main

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"mom.internal/momserver"
)

// TestDebug logs where the pages are, and warns if other machines can reach them.
func TestDebug(t *testing.T) {
	for addr, warns := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		var log bytes.Buffer
		p, err := (&config{debug: addr}).startDebug(momserver.New(momserver.Config{}), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		p.Stop()
		if text := log.String(); !strings.Contains(text, "url="+p.URL()) || strings.Contains(text, "-debug 127.0.0.1:PORT") != warns {
			t.Error(text)
		}
	}
}

// TestDebugAddressInUse exits with 1 and says so, before anything is mirrored.
func TestDebugAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	paths := sites(t, 1)
	code, stderr := once(t, append([]string{"-debug", l.Addr().String()}, paths...)...)
	if code != exitFailed || !strings.Contains(stderr, "cannot listen on "+l.Addr().String()) || !strings.Contains(stderr, "another address with -debug") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if mirrored(paths[0], paths[1]) {
		t.Error("it mirrored all the same")
	}
}
