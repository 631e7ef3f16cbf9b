package sockets_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
)

// envStepped, where it is set, says that the wall clock steps under this test
// binary.
const envStepped = "MOM_TEST_STEPPED"

// secure is whether to test without and with TLS. Certificates are valid for
// some time of the wall clock, so that there is no TLS while that steps by days.
func secure() []bool {
	if os.Getenv(envStepped) != "" {
		return []bool{false}
	}
	return []bool{false, true}
}

// stepping makes the wall clock step by two days forth and back, for ever.
// Package time adds step to what the machine says.
const stepping = `package time

import "sync/atomic"

var stepped atomic.Int64

func step() int64 { return stepped.Load() }

func init() {
	go func() {
		for n := int64(0); ; n++ {
			Sleep(70 * Millisecond)
			stepped.Store((n*2%5 - 2) * 2 * 24 * 3600)
		}
	}()
}
`

// TestSteppedClock builds the tests of this package, and those of the two
// commands with the commands themselves, on a standard library whose wall clock
// steps by days many times a second, and runs them. Nothing but the monotonic
// clock may matter: every deadline, heartbeat, limit and wait stays as it is. The page
// is left out, because a browser has a clock of its own.
// Without MOM_TEST_SLOW it is skipped, because it builds all anew.
func TestSteppedClock(t *testing.T) {
	if !slow() {
		t.Skip("MOM_TEST_SLOW is not set")
	}
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	library := filepath.Join(string(bytes.TrimSpace(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		t.Skipf("no source of the standard library: %v", err)
	}
	before, now, found := bytes.Cut(source, []byte("\nfunc Now() Time {\n"))
	reading, rest, is := bytes.Cut(now, []byte("\n"))
	if !found || !is || !bytes.HasPrefix(reading, []byte("\tsec, nsec, mono := ")) {
		t.Skipf("package time of %s is not as expected", runtime.Version())
	}
	stepped := bytes.Join([][]byte{before, []byte("\nfunc Now() Time {\n"), reading, []byte("\n\tsec += step()\n"), rest}, nil)
	replace := make(map[string]string)
	for name, content := range map[string][]byte{"time.go": stepped, "step.go": []byte(stepping)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(library, name)] = path
	}
	overlay := filepath.Join(dir, "overlay.json")
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-vet=off", "-count=1", "-skip", "^TestPage$", ".", "mom.internal/cmd/e2e")
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay, envStepped+"=1", "MOM_TEST_SLOW=")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("under a stepping clock: %v", err)
	}
}

// TestStepped keeps a subscriber, and a connection that does nothing, while the
// wall clock steps: neither is taken for silent, by either side.
func TestStepped(t *testing.T) {
	if os.Getenv(envStepped) == "" {
		t.Skip("the wall clock does not step")
	}
	srv := serve(t, momserver.Config{Heartbeat: 100 * time.Millisecond, IdleTimeout: time.Hour})
	idle := srv.stuckPeer()
	idle.greet()
	c := momclient.New(srv.Addr, momclient.Options{AutoReconnect: true, Period: time.Minute})
	defer c.Close()
	var lost atomic.Int64
	c.OnConnection(func(s momclient.ConnectionStatus) {
		if s.Kind == momclient.Lost {
			lost.Add(1)
			t.Error(s)
		}
	})
	if err := c.Subscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	steps, last := 0, time.Now().Unix()
	eventually(t, "steps", func() bool {
		now := time.Now().Unix()
		if d := now - last; d > 24*3600 || d < -24*3600 {
			steps++
		}
		last = now
		return steps >= 20 || lost.Load() > 0
	})
	srv.PublishRuns(1, 1)
	eventually(t, "told", func() bool { return c.Cursor() == srv.Ledger.Latest() || lost.Load() > 0 })
	if st := srv.Stats(); len(st.Drops) > 0 || st.Connections != 2 {
		t.Errorf("%d connections, dropped for %v", st.Connections, st.Drops)
	}
}
