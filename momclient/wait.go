package momclient

import (
	"context"
	"fmt"
	"time"

	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// Wait waits until a run of each of these jobs has ended, and returns the runs with
// their outcomes, in the order of their ends. A job is given by its name or its ID.
// Without jobs, Wait waits for the runs that are unfinished when the server accepts
// it; if there are none, it returns no runs at once.
//
// Wait waits for each run of a named job that is unfinished or begins before the
// first of them has ended; further runs do not count. A run that has ended before the
// server accepts Wait, or that begins and ends among missed events, does not count
// either, and Wait goes on waiting: call Wait before such a run begins, or look for
// its end with [Client.Jobs]. The server does not know which jobs will run. So Wait
// waits for a misspelled name as long as ctx allows, and the error then says that no
// run of the job has begun.
//
// If the server was restarted during a run, or if a run ended among missed events,
// Wait returns an error with the code [wire.Lost] as soon as it knows, and the run
// has Lost set. So it does if more than [jobs.MaxRuns] runs of one job are unfinished
// at once, because it has no room for them. Other errors are those of [Client.Events]: that of ctx, or
// [wire.Closed], or what the server refused with, or, without AutoReconnect, why the
// connection was lost. With AutoReconnect, Wait waits for a server that is away as
// long as ctx allows. With each error Wait returns the runs that have ended so far.
// That a run failed is no error: see its Outcome.
//
// Wait subscribes on a connection of its own, on which the server sends all events,
// whatever Options.Filter is. So it works beside Events and OnEvent of the same
// client, does not move [Client.Cursor], and counts as one more subscriber of the
// server. Options.CallbackAddr has no effect on it.
func (c *Client) Wait(ctx context.Context, names ...string) ([]jobs.Run, error) {
	opts := c.opts
	opts.Filter, opts.From, opts.Cursor, opts.CallbackAddr = wire.Filter{}, wire.FromNow, wire.Cursor{}, ""
	w := &waiter{
		c: New(c.addr, opts), all: len(names) == 0, life: c.life,
		tracker: jobs.New(jobs.Options{MaxJobs: jobs.MaxWatchedJobs}), watch: jobs.NewWatch(names...),
	}
	c.mu.Lock()
	closed := c.life.Err() != nil
	if !closed {
		c.running.Add(1)
	}
	c.mu.Unlock()
	if closed {
		return nil, errClosed()
	}
	defer c.running.Done()
	err := w.wait(ctx)
	return w.watch.Runs(), err
}

// waiter is one call of Wait. Only the goroutine of the call uses it.
type waiter struct {
	c       *Client // of its own
	life    context.Context
	all     bool // no job is named
	tracker *jobs.Tracker
	watch   *jobs.Watch
	away    error // why there is no connection
}

// wait subscribes and takes events until the runs have ended.
func (w *waiter) wait(ctx context.Context) error {
	statuses, left := make(chan ConnectionStatus), make(chan struct{})
	w.c.OnConnection(func(s ConnectionStatus) {
		select {
		case statuses <- s:
		case <-left:
		}
	})
	defer w.c.Close()
	defer close(left)
	sub, err := w.c.start(newConsumer())
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-sub.consumer.bell:
			w.takeEvents(ctx, sub)
		case s := <-statuses:
			w.takeEvents(ctx, sub) // those before s, among which may be the end of a run
			w.status(&s)
		case <-sub.done:
			w.takeEvents(ctx, sub)
			if !w.over() {
				return w.reason(ctx, sub.err)
			}
		case <-tick.C:
			w.watch.Add(w.tracker.Tick())
		case <-ctx.Done():
		case <-w.life.Done():
		}
		if w.over() {
			return w.watch.Err()
		}
		if ctx.Err() != nil || w.life.Err() != nil {
			return w.reason(ctx, nil)
		}
	}
}

// takeEvents takes the events that wait, up to the one that decides.
func (w *waiter) takeEvents(ctx context.Context, sub *subscription) {
	var ev wire.Event
	for !w.over() && ctx.Err() == nil && w.life.Err() == nil {
		d, ok := w.c.next(sub.consumer, &ev)
		if !ok {
			return
		}
		w.watch.Add(w.tracker.Event(&ev))
		w.c.inbox.done(d)
		if ev.Snapshot && w.c.inbox.snapshotDone() {
			w.watch.Add(w.tracker.SnapshotDone())
		}
	}
}

// over reports whether all runs have ended, or one is lost. Without named jobs, it
// watches no more runs from the end of the first snapshot on.
func (w *waiter) over() bool {
	if w.all {
		if !w.c.inbox.snapshotDone() {
			return false
		}
		w.watch.Seal()
	}
	return w.watch.Done() || w.watch.Err() != nil
}

func (w *waiter) status(s *ConnectionStatus) {
	switch s.Kind {
	case Connected, Resumed:
		w.away = nil
		w.watch.Add(w.tracker.Connected(s.Time, s.Epoch, s.Missed))
	case Lost, Refused, Draining:
		w.away = s.Err
	}
}

// reason returns why the wait ended before the runs: err is why the subscription
// ended, nil if it has not.
func (w *waiter) reason(ctx context.Context, err error) error {
	switch {
	case w.life.Err() != nil:
		return errClosed()
	case err != nil && ctx.Err() == nil:
		return err
	}
	missing := w.watch.String()
	if missing == "" {
		missing = "the server"
	}
	err = fmt.Errorf("momclient: waiting for %s: %w", missing, ended(ctx))
	if w.away != nil {
		err = fmt.Errorf("%w; the server is away: %w", err, w.away)
	}
	return err
}

// snapshotDone reports whether the server has accepted the subscription and the
// latest snapshot has been handled in full.
func (in *inbox) snapshotDone() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return !in.handled.cursor.IsZero() && !in.handled.renew
}
