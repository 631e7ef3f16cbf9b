package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/cursorfile"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/recorder"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient"
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
// -notify, or for the page.
func (c *config) records() bool { return c.history != "" || len(c.notify.to) > 0 || c.http != "" }

// recording is the history of runs and the messages of one monitor. A nil recording,
// of a monitor without both, does nothing.
type recording struct {
	c        *config
	runs     *runlog.Log
	box      *outbox.Box
	decider  *alert.Decider   // nil without -notify
	notifier *notify.Notifier // nil without -notify
	recorder *recorder.Recorder
	say      func(string)

	// unfinished has the runs that were unfinished when an earlier monitor ended.
	unfinished []outbox.Run
}

// openRecording opens the files of the history and of the messages. The file of the
// messages is beside the cursor file, which has the cursor at.
func (c *config) openRecording(at wire.Cursor, say func(string)) (*recording, error) {
	if !c.records() {
		return nil, nil
	}
	sinks, err := c.notify.sinks()
	if err != nil {
		return nil, err
	}
	r := &recording{c: c, say: say}
	if r.runs, err = runlog.Open(c.history); err != nil {
		return nil, fmt.Errorf("-history: %w", err)
	}
	state := ""
	if c.cursor != "" && (c.history != "" || len(sinks) > 0) {
		state = c.cursor + ".state"
	}
	if r.box, err = outbox.Open(state, notify.Receivers(sinks)); err != nil {
		r.runs.Close()
		return nil, fmt.Errorf("-cursor: %w", err)
	}
	subjects, unfinished, settled, dropped := r.box.State()
	r.unfinished = slices.DeleteFunc(unfinished, func(run outbox.Run) bool {
		jobs := c.shownJobs()
		return run.Server != c.addr || !jobs.Takes(eventOf(&alert.Subject{JobID: run.JobID, Job: run.Job}))
	})
	if dropped > 0 {
		say(fmt.Sprintf("%d messages are dropped, because no -notify names their receivers any more", dropped))
	}
	if len(sinks) > 0 {
		jobs := c.shownJobs()
		names := slices.Clone(jobs.Names)
		for _, id := range c.filter.Jobs {
			names = append(names, id.String())
		}
		if at.IsZero() && c.start() == wire.FromNow {
			settled = true // all events will be new
		}
		now := time.Now()
		subjects = slices.DeleteFunc(subjects, func(s alert.Subject) bool { return s.JobID != uuid.Nil && !jobs.Takes(eventOf(&s)) })
		r.decider = alert.New(c.notify.rules(sinks, names), subjects, settled)
		r.decider.Watch(c.addr, now)
		for _, v := range r.runs.Jobs() {
			job := alert.Subject{JobID: v.Key.Job, Job: v.Name}
			if v.Key.Server == c.addr && now.Sub(v.Last.Ended) < retired && jobs.Takes(eventOf(&job)) {
				r.decider.Know(c.addr, v.Key.Job, v.Name, v.Summary.LastSuccess, now)
			}
		}
		r.notifier = notify.New(r.box, sinks, say)
	}
	return r, nil
}

// eventOf returns an event of the job, for a filter.
func eventOf(s *alert.Subject) *wire.Event {
	return &wire.Event{JobID: s.JobID, Data: wire.TransferData{Initialize: &wire.InitializeData{Name: s.Job}}}
}

// start begins to record and to deliver.
func (r *recording) start(client *momclient.Client, cursor *cursorfile.File) {
	if r == nil {
		return
	}
	jobs := r.c.shownJobs()
	r.recorder = recorder.New(recorder.Options{
		Server: r.c.addr, Jobs: &jobs, Runs: r.runs, Box: r.box, Decider: r.decider, Notifier: r.notifier,
		Cursor: client.Cursor, Save: cursor.Save, Say: r.say,
	})
	r.recorder.Start()
	if r.notifier != nil {
		r.notifier.Start()
	}
}

// stop brings everything to the disk, and delivers what waits within the time.
// why is why the stream of events has ended.
func (r *recording) stop(why error, grace time.Duration) error {
	if r == nil {
		return nil
	}
	var refused *wire.Error
	if errors.As(why, &refused) { // the status of it may come too late
		r.recorder.Status(momclient.ConnectionStatus{Kind: momclient.Refused, Err: withHint(why), Final: true})
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

// status adds a status of the connection.
func (r *recording) status(s momclient.ConnectionStatus) {
	if r != nil {
		r.recorder.Status(s)
	}
}

// event records an event.
func (r *recording) event(e *wire.Event) {
	if r != nil {
		r.recorder.Event(e)
	}
}
