// Package screen is the interface of momclient on a terminal: this is -o watch. Only
// momclient uses it.
//
// A decoder makes keys of what is typed. A model has what the boards and the history
// have, and what the user has chosen to see of it. A layout draws a model in lines, and
// a painter writes the lines that have changed to the terminal.
package screen

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/tty"
	"mom.internal/momclient"
	"mom.internal/wire"
)

// The times of frames.
const (
	// frameTime is the least time between two frames with news. If a frame is
	// expensive, or the terminal slow, the time is longer, so that drawing takes at
	// most a part of one processor in costShare.
	frameTime = 100 * time.Millisecond
	costShare = 20

	// keyTime is the time between two looks for keys. What a key changes is drawn at
	// once, from the same news.
	keyTime = 25 * time.Millisecond

	// idleTime is the time between two frames if there is no news. They keep the
	// ages up to date, and clear what another program wrote on the terminal. The
	// history is looked at as often.
	idleTime = time.Second
)

// Options sets up a Watcher.
type Options struct {
	Terminal *tty.Terminal
	Getenv   func(string) string

	Boards    []*board.Board         // one for each server
	Jobs      wire.Filter            // of -job
	Runs      *runlog.Log            // the history of the runs of these servers, and perhaps of others; or nil
	Receivers func() []notify.Status // the state of the receivers of messages; or nil
}

// Watcher shows boards on a terminal, from Start to Stop. One goroutine draws,
// reads keys and handles the signals; Stop waits for it. Whatever ends the
// goroutine, even a panic, the terminal is restored first. A terminal that accepts no
// output holds up this goroutine, and no other.
type Watcher struct {
	Options
	layout layout
	quit   func(error)

	stopped  chan struct{} // closed by Stop
	stopOnce sync.Once
	running  sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	notice string
	page   string

	// The fields below belong to the goroutine.
	paint    painter
	entered  bool
	decoder  decoder
	model    *model
	versions []uint64  // of the views in model
	idled    time.Time // when the last idle frame was drawn
	looked   time.Time // when take last looked at everything
	next     time.Time // when the next frame with news may be drawn
}

// New returns a Watcher that has not started.
func New(opts Options) *Watcher {
	return &Watcher{
		Options: opts,
		layout:  layout{look: newLook(opts.Getenv), loc: time.Local, keys: opts.Terminal.HasKeys(), only: len(opts.Jobs.Jobs)+len(opts.Jobs.Names) > 0},
		stopped: make(chan struct{}),
		paint:   painter{w: opts.Terminal},
		model:   newModel(len(opts.Boards)), versions: make([]uint64, len(opts.Boards)),
	}
}

// Page shows the address of the page.
func (w *Watcher) Page(url string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page = url
}

// Notice shows a line about the names of -job, until each of them has a job.
func (w *Watcher) Notice(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notice = text
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
	pause := frameTime
	if w.layout.keys {
		pause = keyTime
	}
	tick := time.NewTicker(pause)
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

// turn handles the keys, and draws a frame if there is something new. In the
// background it does neither.
func (w *Watcher) turn(now time.Time) error {
	if !w.Terminal.Foreground() {
		w.leave()
		return nil
	}
	if err := w.enter(); err != nil {
		return err
	}
	typed, quit := w.typed(now)
	if quit {
		return context.Canceled // as for Ctrl-C
	}
	cols, rows := w.Terminal.Size()
	resized := cols != w.paint.cols || rows != w.paint.rows
	idle := now.Sub(w.idled) >= idleTime
	news := !w.model.paused && !now.Before(w.next) && w.take(now, now.Sub(w.looked) >= idleTime)
	if !typed && !resized && !idle && !news {
		return nil
	}
	if idle {
		w.idled = now
	}
	if err := w.draw(now, cols, rows, idle); err != nil {
		return err
	}
	if news {
		w.next = now.Add(max(frameTime, min(costShare*time.Since(now), idleTime)))
	}
	return nil
}

// typed handles the keys that were typed.
func (w *Watcher) typed(now time.Time) (some, quit bool) {
	var buf [4096]byte
	for _, k := range w.decoder.keys(buf[:w.Terminal.Typed(buf[:])], now) {
		some = true
		if k.name == keyRedraw {
			w.paint.last = nil
		} else if w.model.act(k, now) {
			return some, true
		}
	}
	return some, false
}

// take takes the news into the model, and reports whether there are any. If all is set,
// it looks at everything.
func (w *Watcher) take(now time.Time, all bool) (news bool) {
	views := make([]*board.View, len(w.Boards))
	for i, b := range w.Boards {
		if b.Version() == w.versions[i] && !all {
			continue
		}
		v := b.View()
		views[i], w.versions[i], news = &v, v.Version, true
	}
	if !news {
		return false
	}
	w.model.take(w.Boards, views, now)
	if all {
		w.looked = now
		w.past(now)
	}
	return true
}

// past takes the history, and what is beside the jobs, into the model.
func (w *Watcher) past(now time.Time) {
	m := w.model
	if w.Runs != nil {
		servers := make(map[string]int, len(w.Boards))
		for i, b := range w.Boards {
			servers[b.Name()] = i
		}
		m.list.history(w.Runs.Jobs(), servers, &w.Jobs, now)
	}
	if w.Receivers != nil {
		m.receivers = w.Receivers()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.page = w.page
	if m.notice = w.notice; m.notice != "" && m.list.hasAll(&w.Jobs) {
		m.notice, w.notice = "", ""
	}
}

// draw draws a frame. If whole is set, it writes all lines.
func (w *Watcher) draw(now time.Time, cols, rows int, whole bool) error {
	m := w.model
	m.arrange(now)
	if e := m.detailed(); !m.paused || e != nil && e.place != m.detail.of {
		m.look(w.Boards, w.Runs)
	}
	f := w.layout.draw(m, cols, rows)
	m.drawn(&f)
	return w.paint.paint(f.lines, cols, rows, whole)
}

func (w *Watcher) enter() error {
	if w.entered {
		return nil
	}
	w.entered = true
	if err := w.Terminal.Listen(); err != nil {
		w.layout.keys = false // Ctrl-C still ends the program
	}
	w.paint.last, w.idled, w.looked, w.decoder = nil, time.Time{}, time.Time{}, decoder{}
	_, err := io.WriteString(w.Terminal, enterScreen)
	return err
}

func (w *Watcher) leave() {
	if !w.entered {
		return
	}
	w.entered = false
	w.Terminal.Restore()
	io.WriteString(w.Terminal, leaveScreen) // no error matters if the terminal is gone
}

// Summarize writes the summary, for the normal screen. It is called after Stop.
func (w *Watcher) Summarize(out io.Writer) {
	now := time.Now()
	w.take(now, true)
	w.model.arrange(now)
	fmt.Fprint(out, w.layout.summary(w.model))
}

// Crash restores the terminal and ends the program with a panic, because a
// handler of the client has panicked.
func (w *Watcher) Crash(p *momclient.PanicError) {
	w.Stop()
	panic(fmt.Sprintf("%v\n\n%s", p, p.Stack))
}
