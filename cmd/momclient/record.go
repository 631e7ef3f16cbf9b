package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/cursorfile"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/recorder"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/sink"
	"mom.internal/wire"
)

// The times that the receivers have to take what waits when the monitor ends.
const (
	graceAfterSignal = 2 * time.Second // or after q on the screen; less than grace
	graceAtEnd       = 10 * time.Second
)

// retired is the time without a run after which a job of the history alone does not
// get stale, because it may be there no more.
const retired = 7 * 24 * time.Hour

// records reports whether the monitor keeps a history of runs: for -history, for
// -notify, or for a board.
func (c *config) records() bool { return c.history != "" || len(c.notify.to) > 0 || c.showsBoard() }

// recording is the history of runs and the messages of one monitor. A nil recording,
// of a monitor without both, does nothing.
type recording struct {
	c        *config
	runs     *runlog.Log
	box      *outbox.Box
	notifier *notify.Notifier // nil without -notify
	recorder *recorder.Recorder

	// unfinished has the runs that were unfinished when an earlier monitor ended.
	unfinished []outbox.Run
}

// openRecording opens the files of the history and of the messages. The file of the
// messages is beside the cursor file.
func (c *config) openRecording(cursors *cursorfile.File, say func(string)) (*recording, error) {
	if !c.records() {
		return nil, nil
	}
	sinks, err := c.notify.sinks()
	if err != nil {
		return nil, err
	}
	r := &recording{c: c}
	if r.runs, err = runlog.Open(c.history, c.serverName); err != nil {
		return nil, fmt.Errorf("-history: %w", err)
	}
	state := ""
	if c.cursor != "" && (c.history != "" || len(sinks) > 0) {
		state = c.cursor + ".state"
	}
	if r.box, err = outbox.Open(state, c.serverName, notify.Receivers(sinks)); err != nil {
		r.runs.Close()
		return nil, fmt.Errorf("-cursor: %w", err)
	}
	subjects, unfinished := r.box.State()
	jobs := c.shownJobs()
	r.unfinished = slices.DeleteFunc(unfinished, func(run outbox.Run) bool {
		return !c.watches(run.Server) || !jobs.Takes(eventOf(&alert.Subject{JobID: run.JobID, Job: run.Job}))
	})
	messages, lines := r.box.Lost()
	if messages > 0 {
		say(fmt.Sprintf("%d messages are dropped, because no -notify names their receivers any more", messages))
	}
	if lines > 0 {
		say(fmt.Sprintf("left out %s of %s that cannot be read, perhaps because of a power failure", output.Plural(lines, "line"), state))
	}
	opts := recorder.Options{Jobs: &jobs, Runs: r.runs, Box: r.box, Say: say}
	if len(sinks) > 0 {
		subjects = slices.DeleteFunc(subjects, func(s alert.Subject) bool { return s.JobID != uuid.Nil && !jobs.Takes(eventOf(&s)) })
		opts.Decider = c.newDecider(sinks, subjects, cursors, r)
		r.notifier = notify.New(r.box, sinks, say)
		opts.Notifier = r.notifier
	}
	r.recorder = recorder.New(opts)
	return r, nil
}

// newDecider returns a Decider with the subjects of an earlier monitor, and with the
// successes of the history.
func (c *config) newDecider(sinks []*sink.Sink, subjects []alert.Subject, cursors *cursorfile.File, r *recording) *alert.Decider {
	names := slices.Clone(c.shownJobs().Names)
	for _, id := range c.filter.Jobs {
		names = append(names, id.String())
	}
	now := time.Now()
	d := alert.New(c.notify.rules(sinks, names), subjects)
	for n, s := range c.servers {
		allNew := cursors.Cursor(n).IsZero() && r.at(s.name).IsZero() && c.start() == wire.FromNow // all events of the server will be new
		d.Watch(s.name, r.box.Learned(s.name) || allNew, now)
	}
	d.Expect(now)
	jobs := c.shownJobs()
	for _, v := range r.runs.Jobs() {
		job := alert.Subject{JobID: v.Key.Job, Job: v.Name}
		if c.watches(v.Key.Server) && now.Sub(v.Last.Ended) < retired && jobs.Takes(eventOf(&job)) {
			d.Know(v.Key.Server, v.Key.Job, v.Name, v.Summary.LastSuccess, now)
		}
	}
	return d
}

// watches reports whether the monitor watches the server with the name.
func (c *config) watches(name string) bool {
	return slices.ContainsFunc(c.servers, func(s server) bool { return s.name == name })
}

// eventOf returns an event of the job, for a filter.
func eventOf(s *alert.Subject) *wire.Event {
	return &wire.Event{JobID: s.JobID, Data: wire.TransferData{Initialize: &wire.InitializeData{Name: s.Job}}}
}

// at returns the cursor up to which an earlier monitor has recorded the server's
// events. This monitor continues there, even if the earlier one was killed before it
// had saved a cursor.
func (r *recording) at(server string) wire.Cursor {
	if r == nil {
		return wire.Cursor{}
	}
	return r.box.At(server)
}

// add adds a connection, before start. It returns nil for a nil recording.
func (r *recording) add(c *connection) *recorder.Server {
	if r == nil {
		return nil
	}
	return r.recorder.Add(c.server.name, c.position, func(at wire.Cursor) error { return c.m.cursor.Save(c.n, at) })
}

// start begins to record and to deliver.
func (r *recording) start() {
	if r == nil {
		return
	}
	r.recorder.Start()
	if r.notifier != nil {
		r.notifier.Start()
	}
}

// stop brings everything to the disk, and delivers what waits within the time.
func (r *recording) stop(grace time.Duration) error {
	if r == nil {
		return nil
	}
	err := r.recorder.Stop()
	r.notifier.Stop(grace)
	r.close()
	return err
}

// left says for each receiver which messages the end of the monitor has left.
func (r *recording) left() (lines []string) {
	if r == nil {
		return nil
	}
	for _, s := range r.notifier.Status() {
		if s.Waiting == 0 {
			continue
		}
		what := "are lost, because there is no -cursor"
		if r.c.cursor != "" {
			what = "wait for the next monitor with this -cursor"
		}
		lines = append(lines, fmt.Sprintf("%s was not told: messages that %s: %d", s.Receiver, what, s.Waiting))
	}
	return lines
}

func (r *recording) close() {
	if r != nil {
		r.box.Close()
		r.runs.Close()
	}
}
