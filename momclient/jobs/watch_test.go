package jobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// watchScript feeds a Watch with the changes of a script.
type watchScript struct {
	*script
	w *Watch
}

func newWatchScript(t *testing.T, names ...string) *watchScript {
	return &watchScript{newScript(t, Options{}), NewWatch(names...)}
}

// stands adds the changes since the last call, and checks what is missing, and
// the watched runs.
func (s *watchScript) stands(done bool, missing string, runs ...string) {
	s.t.Helper()
	s.w.Add(append(s.got, s.tr.Tick()...))
	s.got = nil
	var got []string
	for _, r := range s.w.Runs() {
		got = append(got, strings.TrimPrefix(r.Name, "job ")+" "+standing(&r))
	}
	if s.w.Done() != done || s.w.String() != missing || strings.Join(got, ", ") != strings.Join(runs, ", ") {
		s.t.Errorf("done %v, missing %s, runs %q; want %v, %s, %q", s.w.Done(), s.w, got, done, missing, runs)
	}
}

// TestWatchNamed waits for a run of each named job, and for each run that had
// begun before one ended.
func TestWatchNamed(t *testing.T) {
	long := strings.Repeat("long", MaxText)
	clipped := long[:MaxText] + "…"
	unnamed := func(e *wire.Event) { e.Data.Initialize.Name = "" }
	s := newWatchScript(t, "job 1", id(2).String(), long)
	s.stands(false, `a run of "job 1", "`+id(2).String()+`", "`+clipped+`" to begin`)
	s.event(3, wire.JobInitialized).event(3, wire.JobCompleted).event(1, wire.JobInitialized).event(101, wire.JobInitialized)
	s.event(2, wire.JobInitialized, unnamed)
	s.event(4, wire.JobCompleted, func(e *wire.Event) { e.Data.Initialize.Name = long })
	s.stands(false, `a run of "job 1", "job 1", `+id(2).String()+` to end`, clipped+" Succeeded")
	s.event(1, wire.JobCompleted).event(201, wire.JobInitialized) // a further run
	s.stands(false, `a run of "job 1", `+id(2).String()+` to end`, clipped+" Succeeded", "1 Succeeded")
	if !s.w.Succeeded() {
		t.Error("two runs did not succeed")
	}
	s.event(2, wire.ImportingError, of(1), unnamed)
	s.event(101, wire.JobCompleted)
	s.stands(true, "", clipped+" Succeeded", "1 Succeeded", " Failed", "1 Succeeded")
	if s.w.Succeeded() {
		t.Error("all runs succeeded")
	}
	if start := (Change{Kind: RunStarted, Run: Run{ID: id(5), Name: long[:MaxText] + "…", JobID: id(5)}}); !s.w.Add([]Change{start, {Kind: Gap}}) {
		t.Error("the beginning of a watched run does not affect the Watch")
	}
	if s.w.Add([]Change{{Kind: Gap, Missed: 1}, {Kind: RunEnded, Run: Run{ID: id(201)}}}) {
		t.Error("a gap, and the end of a further run, affect a watched run")
	}
}

// TestWatchAll waits for the runs of all jobs, or, if it is sealed, for those that
// had begun.
func TestWatchAll(t *testing.T) {
	s := newWatchScript(t)
	s.stands(true, "")
	for i := range 7 {
		s.event(i+1, wire.JobInitialized)
	}
	s.stands(false, `a run of "job 1", "job 2", "job 3", "job 4", "job 5" and 2 more to end`)
	for i := range 6 {
		s.event(i+1, wire.JobCompleted)
	}
	s.w.Add(s.got)
	s.got = nil
	s.w.Seal()
	s.event(8, wire.JobInitialized)
	s.stands(false, `a run of "job 7" to end`, "1 Succeeded", "2 Succeeded", "3 Succeeded", "4 Succeeded", "5 Succeeded", "6 Succeeded")
	s.event(7, wire.JobCompleted)
	if s.w.Add(s.got); !s.w.Done() || s.w.Err() != nil {
		t.Errorf("%v, %v", s.w, s.w.Err())
	}
}

// TestWatchLost: a watched run that is lost is an error until it is found.
func TestWatchLost(t *testing.T) {
	s := newWatchScript(t, "job 1")
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized)
	s.event(2, wire.Transferring, missed(3))
	s.stands(false, `a run of "job 1" to begin`, "1 lost: gap")
	if err := s.w.Err(); !errors.Is(err, wire.Lost) || err.Error() != `the end of a run of "job 1" was not seen: it was among missed events` {
		t.Error(err)
	}
	s.event(1, wire.Transferring)
	if s.stands(false, `a run of "job 1" to end`); s.w.Err() != nil {
		t.Error(s.w.Err())
	}
	s.got = s.tr.Connected(start, uuid.New(), 0)
	s.stands(false, `a run of "job 1" to begin`, "1 lost: restart")
	if err := s.w.Err(); err == nil || !strings.HasSuffix(err.Error(), "the server was restarted") {
		t.Error(err)
	}
	s.event(1, wire.JobCompleted) // had waited in the client
	if s.stands(true, "", "1 Succeeded"); s.w.Err() != nil {
		t.Error(s.w.Err())
	}
}

// TestWatchForgotten: a run that the tracker had to forget is lost, and watched
// again if an event of it comes.
func TestWatchForgotten(t *testing.T) {
	s := &watchScript{newScript(t, Options{MaxJobs: 2}), NewWatch("job 1")}
	s.event(1, wire.JobInitialized).event(2, wire.JobInitialized).event(3, wire.JobInitialized)
	s.stands(false, `a run of "job 1" to begin`, "1 lost: forgotten")
	if err := s.w.Err(); err == nil || !strings.HasSuffix(err.Error(), "too many runs were unfinished at once") {
		t.Error(err)
	}
	s.event(1, wire.JobCompleted)
	s.stands(true, "", "1 Succeeded")
}
