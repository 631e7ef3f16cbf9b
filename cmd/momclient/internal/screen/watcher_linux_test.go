package screen

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/termtest"
	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// TestWatchPanic panics in a process of its own, in the goroutine that draws or
// in a handler. The terminal is restored before the trace is written.
func TestWatchPanic(t *testing.T) {
	const child = "MOM_TEST_PANIC"
	if where := os.Getenv(child); where != "" {
		w := New(Options{Terminal: tty.Open(os.Stdin, os.Stdout), Getenv: os.Getenv, Boards: []*board.Board{board.New("S", "", jobs.Options{})}})
		w.layout.loc = nil // time.In panics
		if where == "handler" {
			w.layout.loc = time.UTC
		}
		w.Start(t.Context(), func(error) {})
		if where == "handler" {
			w.Crash(&momclient.PanicError{Value: "of a handler", Stack: []byte("its stack")})
		}
		select {}
	}
	t.Parallel()
	for where, says := range map[string]string{"drawing": "panic: time: missing Location", "handler": "handler panicked: of a handler"} {
		p := termtest.NewTerminal(t, 80, 24)
		p.Start([]string{child + "=" + where}, "-test.run=^TestWatchPanic$")
		p.Exits(2)
		bytes := p.Output()
		entered, left, trace := strings.Index(bytes, enterScreen), strings.Index(bytes, leaveScreen), strings.Index(bytes, says)
		if entered < 0 || left < entered || trace < left {
			t.Errorf("%s: entered at %d, left at %d, trace at %d of %q", where, entered, left, trace, bytes)
		}
	}
}

// TestWatchFrames: however many events come, at most some ten frames per second
// are drawn, each by one write.
func TestWatchFrames(t *testing.T) {
	p := termtest.NewTerminal(t, 80, 24)
	b := board.New("S", "", jobs.Options{})
	w := New(Options{Terminal: tty.Open(p.Slave, p.Slave), Getenv: os.Getenv, Boards: []*board.Board{b}})
	ctx, cancel := context.WithCancel(t.Context())
	begin := time.Now()
	w.Start(ctx, func(err error) { t.Error(err) })
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := uint64(1); n <= 6000; n++ {
		b.Event(event(n, "site", wire.Transferring, func(e *wire.Event) { e.Data.Body.Item = fmt.Sprint("file ", n) }))
		if n%20 == 0 {
			<-tick.C
		}
	}
	cancel()
	w.Stop()
	most := 2 + int(time.Since(begin)/(100*time.Millisecond))
	p.Restored()
	if n := strings.Count(p.Output(), beginFrame); n > most || n == 0 {
		t.Errorf("%d frames in %v", n, time.Since(begin))
	}
}

// TestHistoryOfExpensiveFrames: the history is looked at also if the next frame with news
// is not due when an idle frame is, each time.
func TestHistoryOfExpensiveFrames(t *testing.T) {
	p := termtest.NewTerminal(t, 80, 24)
	s := connectedScene()
	s.runs, _ = runlog.Open("", nil)
	w := New(Options{Terminal: tty.Open(p.Slave, p.Slave), Getenv: os.Getenv, Boards: s.boards, Runs: s.runs})
	s.runs.Add(&runlog.Run{Server: "S", JobID: id("site"), Job: "site", RunID: id("run"), Ended: s.now})
	w.next = s.now.Add(time.Second / 2)
	for _, when := range []time.Time{s.now, w.next} {
		if err := w.turn(when); err != nil {
			t.Fatal(err)
		}
	}
	w.leave()
	if len(w.model.rows) != 1 {
		t.Errorf("%d rows", len(w.model.rows))
	}
}

// TestSlowTerminal: a terminal that accepts nothing holds up no event.
func TestSlowTerminal(t *testing.T) {
	master, slave, err := termtest.OpenPTY()
	if err != nil {
		t.Skip(err)
	}
	defer slave.Close()
	b := board.New("S", "", jobs.Options{})
	w := New(Options{Terminal: tty.Open(nil, slave), Getenv: os.Getenv, Boards: []*board.Board{b}})
	w.Start(t.Context(), func(error) {})
	for n := uint64(1); n <= 20_000; n++ {
		b.Event(event(n, fmt.Sprint("site ", n%500), wire.Transferring, func(e *wire.Event) { e.Data.Body.Item = strings.Repeat("x", 200) }))
	}
	master.Close()
	w.Stop()
}
