// Package notify delivers the messages of an outbox to their receivers. Only
// momclient uses it.
//
// Each receiver has a goroutine, from [Notifier.Start] to [Notifier.Stop], so that
// a receiver that is slow or down delays nobody else. A receiver gets its messages
// one at a time and in order, each at least once: a message that the receiver has
// not taken is delivered again after a pause. Pauses grow from a second to
// [maxPause], unless the receiver names one. If the receiver refuses a message as
// such, the worker gives that message up after [maxRefusals] attempts, so that it
// does not hold up the others.
package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/output"
	"mom.internal/cmd/momclient/internal/sink"
)

// The times and bounds of the attempts.
const (
	minPause    = time.Second
	maxPause    = 5 * time.Minute
	maxRefusals = 3
	sayAgain    = 10 * time.Minute // between two messages of a receiver that is down
)

// Notifier delivers messages. Its methods may be called from several goroutines.
type Notifier struct {
	box     *outbox.Box
	workers []*worker
	ending  chan struct{} // closed by Stop
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Status is the state of the deliveries to a receiver. The JSON form is for the
// page.
type Status struct {
	Receiver string    `json:"receiver"` // without the secrets of its URL
	Waiting  int       `json:"waiting"`  // number of messages
	Oldest   time.Time `json:"oldest,omitzero"`
	Dropped  int       `json:"dropped,omitempty"` // messages, since the last one that was taken
	Taken    int       `json:"taken"`             // messages, since the monitor began
	Refused  int       `json:"refused,omitempty"` // messages that were given up
	Error    string    `json:"error,omitempty"`   // of the last attempt; "" if the message was taken
	NextTry  time.Time `json:"nextTry,omitzero"`
}

// Receivers returns the receivers of an outbox for the sinks.
func Receivers(sinks []*sink.Sink) []outbox.Receiver {
	var all []outbox.Receiver
	for _, s := range sinks {
		all = append(all, outbox.Receiver{Key: s.Key, Replaces: s.Replaces})
	}
	return all
}

// New returns a Notifier for the receivers of the box. say is called with a line
// for people when something has changed.
func New(box *outbox.Box, sinks []*sink.Sink, say func(string)) *Notifier {
	n := &Notifier{box: box, ending: make(chan struct{}), cancel: func() {}}
	for _, s := range sinks {
		n.workers = append(n.workers, &worker{Sink: s, box: box, say: say, ending: n.ending, status: Status{Receiver: s.Label}})
	}
	return n
}

// To returns the keys of the receivers that get the alert.
func (n *Notifier) To(a *alert.Alert) (keys []string) {
	for _, w := range n.workers {
		if w.Takes(a) {
			keys = append(keys, w.Key)
		}
	}
	return keys
}

// Start begins to deliver.
func (n *Notifier) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	for _, w := range n.workers {
		n.running.Go(func() { w.run(ctx) })
	}
}

// Stop delivers the messages that wait, for the time of grace at most, except to a
// receiver that is down. Then it waits for the goroutines. Messages that still wait
// stay in the outbox.
func (n *Notifier) Stop(grace time.Duration) {
	if n == nil {
		return
	}
	close(n.ending)
	stop := time.AfterFunc(grace, n.cancel)
	n.running.Wait()
	stop.Stop()
	n.cancel()
}

// Status returns the status of each receiver.
func (n *Notifier) Status() []Status {
	if n == nil {
		return []Status{}
	}
	all := make([]Status, 0, len(n.workers))
	for _, w := range n.workers {
		all = append(all, w.current())
	}
	return all
}

// worker delivers the messages for one receiver.
type worker struct {
	*sink.Sink
	box    *outbox.Box
	say    func(string)
	ending <-chan struct{}

	// Only run uses the fields below.
	pause    time.Duration // the last one; 0 if the last message was taken
	refused  uuid.UUID     // the last message that was refused
	refusals int           // how often
	said     time.Time     // when the receiver was last reported to be down; zero while it is not

	mu     sync.Mutex // guards status
	status Status
}

// run delivers messages until Stop.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		a := w.box.Next(w.Key)
		if a == nil {
			select {
			case <-w.box.Bell(w.Key):
				continue
			case <-w.ending:
				return
			}
		}
		err := w.Deliver(ctx, a)
		if ctx.Err() != nil && err != nil {
			return
		}
		if err == nil || w.givesUp(a, err) {
			w.taken(a, err)
			w.wait(w.Pace) // if the monitor ends, the rest is delivered at once
			continue
		}
		if !w.wait(w.failed(err)) {
			return
		}
	}
}

// givesUp reports whether the message was refused too often.
func (w *worker) givesUp(a *alert.Alert, err error) bool {
	var refusal *sink.Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	if w.refused != a.ID {
		w.refused, w.refusals = a.ID, 0
	}
	w.refusals++
	return w.refusals >= maxRefusals
}

// taken removes a message that was taken, or is given up because of err.
func (w *worker) taken(a *alert.Alert, err error) {
	w.box.Taken(w.Key, a)
	w.pause = 0
	w.mu.Lock()
	w.status.NextTry = time.Time{}
	if err == nil {
		w.status.Taken++
		w.status.Error = ""
	} else {
		w.status.Refused++
		w.status.Error = err.Error()
	}
	w.mu.Unlock()
	if err != nil {
		w.say(fmt.Sprintf("%s has refused a message %d times, so it is given up: %v: %s", w.Label, maxRefusals, err, a.Text))
	} else if !w.said.IsZero() {
		left, _, _ := w.box.Waiting(w.Key)
		w.say(fmt.Sprintf("%s takes messages again; %s", w.Label, waits(left)))
	}
	w.said = time.Time{}
}

// failed records an attempt that failed, and returns the pause before the next.
func (w *worker) failed(err error) time.Duration {
	w.pause = min(max(minPause, 2*w.pause), maxPause)
	pause := w.pause
	var later *sink.Later
	if errors.As(err, &later) {
		pause = later.After
	}
	now := time.Now()
	w.mu.Lock()
	w.status.Error, w.status.NextTry = err.Error(), now.Add(pause).UTC()
	w.mu.Unlock()
	if w.said.IsZero() || now.Sub(w.said) >= sayAgain {
		w.said = now
		left, _, dropped := w.box.Waiting(w.Key)
		text := fmt.Sprintf("cannot notify %s: %v; %s, trying again", w.Label, err, waits(left))
		if dropped > 0 {
			text += fmt.Sprintf("; %d older ones were dropped", dropped)
		}
		w.say(text)
	}
	return pause
}

func waits(n int) string {
	if n == 1 {
		return "1 message waits"
	}
	return output.Plural(n, "message") + " wait"
}

// wait waits for the pause. It returns false if Stop was called.
func (w *worker) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.ending:
		return false
	}
}

func (w *worker) current() Status {
	w.mu.Lock()
	s := w.status
	w.mu.Unlock()
	s.Waiting, s.Oldest, s.Dropped = w.box.Waiting(w.Key)
	return s
}
