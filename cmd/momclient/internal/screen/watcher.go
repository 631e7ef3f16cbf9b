// Package screen draws the board of momclient on a terminal, and keeps it up to
// date: this is -o watch. Only momclient uses it.
package screen

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/momclient"
)

// The times of frames.
const (
	frameTime = 100 * time.Millisecond // at most one frame is drawn in this time

	// idleTime is the time between two frames if there is no news. They keep the
	// ages up to date, and clear what another program wrote on the terminal.
	idleTime = time.Second
)

// Watcher shows a board on a terminal, from Start to Stop. One goroutine draws,
// reads keys and handles the signals; Stop waits for it. Whatever ends the
// goroutine, even a panic, the terminal is restored first.
type Watcher struct {
	term   *tty.Terminal
	board  *board.Board
	layout layout
	quit   func(error)

	stopped  chan struct{} // closed by Stop
	stopOnce sync.Once
	running  sync.WaitGroup

	// The fields below belong to the goroutine.
	paint   painter
	entered bool
	version uint64
	drawn   time.Time
}

// New returns a Watcher that has not started. onlyNamed says that -job is given.
func New(term *tty.Terminal, boards []*board.Board, onlyNamed bool, getenv func(string) string) *Watcher {
	return &Watcher{
		term: term, board: boards[0],
		layout:  layout{look: newLook(getenv), loc: time.Local, keys: term.HasKeys(), only: onlyNamed},
		stopped: make(chan struct{}),
		paint:   painter{w: term},
	}
}

// Start begins to draw. quit is called at most once: with context.Canceled if the
// user has pressed q, as for Ctrl-C, or else with an error of the terminal.
func (w *Watcher) Start(ctx context.Context, quit func(error)) {
	w.quit = quit
	w.running.Go(func() {
		defer w.leave()
		w.loop(ctx)
	})
}

// Stop restores the screen. It may be called again.
func (w *Watcher) Stop() {
	w.stopOnce.Do(func() { close(w.stopped) })
	w.running.Wait()
}

func (w *Watcher) loop(ctx context.Context) {
	resizes, suspends, crashes := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	stop := tty.Notify(resizes, suspends, crashes)
	defer stop()
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	for {
		if err := w.turn(time.Now()); err != nil {
			w.quit(err)
			return
		}
		select {
		case <-tick.C:
		case <-resizes:
		case <-suspends:
			w.leave()
			tty.Suspend()
		case s := <-crashes:
			w.leave()
			tty.Crash(s)
		case <-ctx.Done():
			return
		case <-w.stopped:
			return
		}
	}
}

// turn reads the keys, and draws a frame if there is something new. In the
// background it does neither.
func (w *Watcher) turn(now time.Time) error {
	if !w.term.Foreground() {
		w.leave()
		return nil
	}
	if err := w.enter(); err != nil {
		return err
	}
	for key, ok := w.term.Key(); ok; key, ok = w.term.Key() {
		if key == 'q' || key == 'Q' {
			return context.Canceled // as for Ctrl-C
		}
	}
	cols, rows := w.term.Size()
	version, idle := w.board.Version(), now.Sub(w.drawn) >= idleTime
	if version == w.version && !idle && cols == w.paint.cols && rows == w.paint.rows {
		return nil
	}
	v := w.board.View()
	w.version = v.Version
	if idle {
		w.drawn = now
	}
	return w.paint.paint(w.layout.render(&v, cols, rows), cols, rows, idle)
}

func (w *Watcher) enter() error {
	if w.entered {
		return nil
	}
	w.entered = true
	if err := w.term.Listen(); err != nil {
		w.layout.keys = false // Ctrl-C still ends the program
	}
	w.paint.last, w.drawn = nil, time.Time{}
	_, err := io.WriteString(w.term, enterScreen)
	return err
}

func (w *Watcher) leave() {
	if !w.entered {
		return
	}
	w.entered = false
	w.term.Restore()
	io.WriteString(w.term, leaveScreen) // no error matters if the terminal is gone
}

// Summarize writes the summary, for the normal screen.
func (w *Watcher) Summarize(out io.Writer) {
	v := w.board.View()
	fmt.Fprint(out, w.layout.summary(&v))
}

// Crash restores the terminal and ends the program with a panic, because a
// handler of the client has panicked.
func (w *Watcher) Crash(p *momclient.PanicError) {
	w.Stop()
	panic(fmt.Sprintf("%v\n\n%s", p, p.Stack))
}
