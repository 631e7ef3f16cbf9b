package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// told is a file to which a command of -notify appends a line for each message.
type told struct {
	t    *testing.T
	path string
	seen int
}

func newTold(t *testing.T) *told {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the command is for sh")
	}
	return &told{t: t, path: filepath.Join(t.TempDir(), "told")}
}

func (f *told) command() string { return `echo "$MOM_KIND $MOM_JOB $MOM_COUNT" >> '` + f.path + `'` }

// has checks the messages since the last call.
func (f *told) has(want ...string) {
	f.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	if got := lines[f.seen:]; !slices.Equal(got, want) {
		f.t.Errorf("told %q, want %q", got, want)
	}
	f.seen = len(lines)
}

// TestNotifyTimes tells what only the time makes: that a job is stale, that a run is
// stalled, and that the server is away; each once. Then it tells the recovery.
func TestNotifyTimes(t *testing.T) {
	f := newTold(t)
	inBubble(t, func(s *testPair) {
		s.watch("-notify", f.command(), "-stale", "48h", "-stale", "site=2h", "-stalled", "10m")
		if err := s.job("site").Complete(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Hour - 2*time.Second)
		f.has()
		time.Sleep(24 * time.Hour)
		f.has("stale site 1")
		j := s.job("site")
		time.Sleep(10*time.Minute - 2*time.Second)
		f.has()
		time.Sleep(time.Hour)
		f.has("stalled site 1")
		if err := j.Complete(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		f.has("recovered site 1")
		s.kill()
		time.Sleep(50 * time.Second)
		f.has()
		time.Sleep(20 * time.Second)
		f.has("lost  1")
		s.serve(momserver.Config{})
		time.Sleep(10 * time.Second)
		f.has("recovered  1")
		s.cancel()
		s.exits(exitOK, 0)
	})
}

// TestNotifyFolded tells of a job that fails every 5 s with one message, and then
// with a count once per hour, and of no job that -job leaves out.
func TestNotifyFolded(t *testing.T) {
	f := newTold(t)
	inBubble(t, func(s *testPair) {
		s.watch("-notify", f.command(), "-job", "site")
		time.Sleep(10 * time.Second)
		for range 1000 {
			for _, name := range []string{"site", "docs"} {
				if err := s.start(name).Fail(errors.New("bad")); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(5 * time.Second)
		}
		f.has("failed site 1", "failed site 719")
		if err := s.job("site").Complete(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		f.has("recovered site 1000")
		s.cancel()
		s.exits(exitOK, 0)
	})
}

// TestNotifyRestart goes on after a restart of the monitor at its cursor: what
// happened meanwhile is told, and nothing twice. The time of -stale goes on.
func TestNotifyRestart(t *testing.T) {
	f := newTold(t)
	dir := t.TempDir()
	args := []string{"-notify", f.command(), "-stale", "26h", "-cursor", filepath.Join(dir, "cursor"), "-history", filepath.Join(dir, "history")}
	inBubble(t, func(s *testPair) {
		restart := func() {
			s.cancel()
			s.exitsBy(exitOK, time.Minute)
			s.watch(args...)
		}
		s.watch(args...)
		if err := s.job("site").Complete(); err != nil {
			t.Fatal(err)
		}
		if err := s.job("docs").Fail(errors.New("bad")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		f.has("failed docs 1")
		s.cancel()
		s.exitsBy(exitOK, time.Minute)
		if err := s.start("docs").Complete(); err != nil {
			t.Fatal(err)
		}
		s.watch(args...)
		time.Sleep(2 * time.Second)
		f.has("recovered docs 1")
		for range 5 {
			time.Sleep(5 * time.Hour)
			restart()
		}
		f.has()
		time.Sleep(time.Hour)
		f.has("stale site 1", "stale docs 1")
		restart()
		time.Sleep(time.Hour)
		f.has()
		if n := strings.Count(read(t, filepath.Join(dir, "history")), "\n"); n != 3 {
			t.Errorf("%d runs in the history", n)
		}
		s.cancel()
		s.exitsBy(exitOK, time.Minute)
	})
}

// TestRecordedCursor continues after the events that an earlier monitor has recorded,
// even if that monitor was killed before it had saved a cursor.
func TestRecordedCursor(t *testing.T) {
	at := wire.Cursor{Epoch: uuid.New(), Seq: 7}
	path := filepath.Join(t.TempDir(), "cursor")
	box, err := outbox.Open(path+".state", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	box.Commit(&outbox.Record{Server: "mirror:7420", At: at, Learned: true})
	if err := box.Sync(); err != nil {
		t.Fatal(err)
	}
	box.Close()
	m, err := newMonitor([]string{"-addr", "mirror:7420", "-cursor", path, "-history", path + ".runs"}, noEnv, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer m.cursor.Close()
	defer m.recording.close()
	if got := m.connections[0].Opts.Cursor; got != at {
		t.Errorf("the monitor begins at %v; want %v", got, at)
	}
}
