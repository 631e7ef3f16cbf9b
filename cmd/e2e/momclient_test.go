//go:build unix

package e2e

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// startTo starts momclient with the stdout.
func startTo(t *testing.T, stdout *os.File, addr string, args ...string) *process {
	t.Helper()
	cmd := command("momclient", append([]string{"-addr", addr}, args...)...)
	cmd.Stdout = stdout
	return launch(t, sameNamespace, cmd)
}

// watchTo starts momclient with the stdout, and waits until it has subscribed.
func watchTo(t *testing.T, stdout *os.File, addr string, args ...string) *process {
	t.Helper()
	p := startTo(t, stdout, addr, args...)
	p.says("connected")
	return p
}

// runs lets the server run the job "site" to its end, n times.
func runs(t *testing.T, srv *momserver.Server, n int) {
	t.Helper()
	for range n {
		j, err := srv.StartJob(jobID("site"), wire.InitializeData{Name: "site"})
		if err == nil {
			err = j.Complete()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestSignals ends the monitor by each signal: it has shown all events that it
// received, and exits as documented.
func TestSignals(t *testing.T) {
	srv, addr := serveHere(t, momserver.Config{})
	for _, tc := range []struct {
		signal syscall.Signal
		args   []string
		code   int
		says   string
	}{
		{syscall.SIGINT, nil, 0, "connected"},
		{syscall.SIGTERM, nil, 0, "connected"},
		{syscall.SIGHUP, nil, 0, "connected"},
		{syscall.SIGINT, []string{"-exit-when-done", "-job", "none"}, 3, "interrupted before the watched runs ended"},
	} {
		r, w := pipe(t)
		p := watchTo(t, w, addr, append(tc.args, "-cursor", filepath.Join(t.TempDir(), "cursor"))...)
		w.Close()
		if tc.args == nil {
			runs(t, srv, 1)
			lines := bufio.NewReader(r)
			for range 2 {
				if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "site") {
					t.Errorf("%q %v", line, err)
				}
			}
		}
		p.signal(tc.signal)
		p.exits(tc.code, tc.says)
	}
}

// TestReaderGone ends the monitor when nobody reads stdout any more: on Linux
// at once, elsewhere with the next event.
func TestReaderGone(t *testing.T) {
	srv, addr := serveHere(t, momserver.Config{})
	for _, tc := range []struct {
		args []string
		code int
	}{{nil, 0}, {[]string{"-exit-when-done", "-job", "none"}, 3}} {
		r, w := pipe(t)
		p := watchTo(t, w, addr, tc.args...)
		w.Close()
		r.Close()
		if runtime.GOOS != "linux" {
			runs(t, srv, 1)
		}
		p.exits(tc.code)
		if n := strings.Count(p.stderr.String(), "\n"); tc.args == nil && n != 1 {
			t.Errorf("stderr %s", &p.stderr)
		}
	}
}

// TestReaderGoneWrite ends the monitor at a write that nobody can read, on a
// stdout of which the monitor cannot know that earlier.
func TestReaderGoneWrite(t *testing.T) {
	srv, addr := serveHere(t, momserver.Config{})
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Skip(err)
	}
	syscall.CloseOnExec(ends[1])
	stdout := os.NewFile(uintptr(ends[0]), "stdout")
	p := watchTo(t, stdout, addr)
	stdout.Close()
	syscall.Close(ends[1])
	runs(t, srv, 1)
	p.exits(0)
}

// TestStdoutFull exits with 1, and does not move the cursor past an event that
// was not written.
func TestStdoutFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	srv, addr := serveHere(t, momserver.Config{})
	runs(t, srv, 2)
	path := filepath.Join(t.TempDir(), "cursor")
	at := wire.Cursor{Epoch: srv.Epoch(), Seq: 1}
	if err := os.WriteFile(path, []byte(at.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startTo(t, full, addr, "-cursor", path)
	p.exits(1, "no space left on device")
	if got := kept(t, path); got != at {
		t.Errorf("the cursor is %v", got)
	}
	p = startTo(t, full, addr, "-from", "oldest", "-cursor", path+"2")
	p.exits(1, "no space left on device")
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("there are %v", files)
	}
}

// TestStdoutStuck ends the monitor by a signal although a write to stdout does
// not return. Until then the monitor answers the server, and the cursor is not
// moved past the event.
func TestStdoutStuck(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the whole grace")
	}
	t.Parallel()
	srv, addr := serveHere(t, momserver.Config{})
	r, w := pipe(t)
	path := filepath.Join(t.TempDir(), "cursor")
	p := watchTo(t, w, addr, "-o", "json", "-cursor", path)
	runs(t, srv, 1)
	at := wire.Cursor{Epoch: srv.Epoch(), Seq: 2}
	p.eventually("its cursor", func() bool { return kept(t, path) == at })
	long := strings.Repeat("\x01", 40_000) // in JSON six times that, which is more than a pipe takes
	if err := srv.Publish(wire.Event{JobID: jobID("site"), RunID: jobID("run"), Data: wire.TransferData{
		Initialize: &wire.InitializeData{Name: long}, Status: wire.Status{State: wire.JobInitialized},
	}}); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	for range 2 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lines.ReadByte(); err != nil { // the first byte of the third line, whose rest does not fit
		t.Fatal(err)
	}
	p.signal(syscall.SIGINT)
	p.exits(1, "ended because stdout accepts no more")
	if got := kept(t, path); got != at {
		t.Errorf("the cursor is %v", got)
	}
}
