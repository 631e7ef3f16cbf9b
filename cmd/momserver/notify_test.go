//go:build unix

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotifier tells the service manager that the service stops as soon as the
// signal comes, and not again at the end.
func TestNotifier(t *testing.T) {
	dir, err := os.MkdirTemp("", "mom") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	told := func(want string, timeout time.Duration) {
		t.Helper()
		buf := make([]byte, 1000)
		manager.SetReadDeadline(time.Now().Add(timeout))
		n, _ := manager.Read(buf)
		if got, _, _ := strings.Cut(string(buf[:n]), "\n"); got != want {
			t.Errorf("told %q; want %q", got, want)
		}
	}
	ctx, signal := context.WithCancel(t.Context())
	stopping := notifier{socket: filepath.Join(dir, "notify")}.ready(ctx, manager.LocalAddr())
	told("READY=1", hangs)
	signal()
	told("STOPPING=1", hangs)
	stopping()
	told("", 10*time.Millisecond) // a datagram would be there already
}
