package main

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

// Of frames: at most one each frameTime, and one each second without news,
// because ages change, and what another program wrote is to go.
const (
	frameTime = 100 * time.Millisecond
	quietTime = time.Second
)

// watcher shows a board on a terminal, from start to stop. One goroutine draws,
// reads keys and minds the signals; stop waits for it. Whatever ends it, a
// panic too, the terminal is put back first.
type watcher struct {
	term   *tty.Terminal
	board  *board.Board
	screen screen
	quit   func(error) // ends the monitor: q was pressed, or the terminal is gone

	stopped  chan struct{} // closed by stop
	stopOnce sync.Once
	running  sync.WaitGroup

	// Owned by the goroutine.
	paint   painter
	entered bool
	version uint64
	drawn   time.Time
}

// newWatcher returns one that has not started.
func newWatcher(term *tty.Terminal, b *board.Board, c *config, getenv func(string) string) *watcher {
	return &watcher{
		term: term, board: b,
		screen:  screen{look: newLook(getenv), loc: time.Local, keys: term.HasKeys(), only: !(c.filter.Jobs == nil && c.filter.Names == nil)},
		stopped: make(chan struct{}),
		paint:   painter{w: term},
	}
}

// start begins to draw. quit is called, once at most, when the user wants to
// end, or the terminal takes no more.
func (w *watcher) start(ctx context.Context, quit func(error)) {
	w.quit = quit
	w.running.Go(func() {
		defer w.leave()
		w.loop(ctx)
	})
}

// stop leaves the screen as it was found. It may be called again.
func (w *watcher) stop() {
	w.stopOnce.Do(func() { close(w.stopped) })
	w.running.Wait()
}

func (w *watcher) loop(ctx context.Context) {
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

// turn reads the keys and draws a frame where there is something new. In the
// background it does neither.
func (w *watcher) turn(now time.Time) error {
	if !w.term.Foreground() {
		w.leave()
		return nil
	}
	if err := w.enter(); err != nil {
		return err
	}
	for key, ok := w.term.Key(); ok; key, ok = w.term.Key() {
		if key == 'q' || key == 'Q' {
			return context.Canceled // as Ctrl-C does
		}
	}
	cols, rows := w.term.Size()
	version, idle := w.board.Version(), now.Sub(w.drawn) >= quietTime
	if version == w.version && !idle && cols == w.paint.cols && rows == w.paint.rows {
		return nil
	}
	v := w.board.View()
	w.version = v.Version
	if idle {
		w.drawn = now
	}
	return w.writeError(w.paint.paint(w.screen.render(&v, cols, rows), cols, rows, idle))
}

func (w *watcher) writeError(err error) error {
	if err == nil {
		return nil
	}
	return &writeError{err}
}

// enter takes the screen.
func (w *watcher) enter() error {
	if w.entered {
		return nil
	}
	w.entered = true
	if err := w.term.Listen(); err != nil {
		w.screen.keys = false // Ctrl-C still ends it
	}
	w.paint.last, w.drawn = nil, time.Time{}
	_, err := io.WriteString(w.term, enterScreen)
	return w.writeError(err)
}

// leave puts the terminal back.
func (w *watcher) leave() {
	if !w.entered {
		return
	}
	w.entered = false
	w.term.Restore()
	io.WriteString(w.term, leaveScreen) // a terminal that is gone needs none
}

// summarize writes what was seen, for the normal screen.
func (w *watcher) summarize(out io.Writer) {
	v := w.board.View()
	fmt.Fprint(out, w.screen.summary(&v))
}

// crash ends the program, because a handler of its own panicked, with the
// terminal put back.
func (w *watcher) crash(p *momclient.PanicError) {
	w.stop()
	panic(fmt.Sprintf("%v\n\n%s", p, p.Stack))
}
