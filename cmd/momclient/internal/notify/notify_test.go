package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/outbox"
	"mom.internal/cmd/momclient/internal/sink"
)

// attempt is a message that a receiver got, and when.
type attempt struct {
	text  string
	after time.Duration // since the start of the test
}

// receiver answers as the test says.
type receiver struct {
	start  time.Time
	answer func(ctx context.Context, n int, a *alert.Alert) error // n counts the attempts from 1

	mu  sync.Mutex // guards got
	got []attempt
}

func (r *receiver) deliver(ctx context.Context, a *alert.Alert) error {
	r.mu.Lock()
	r.got = append(r.got, attempt{a.Text, time.Since(r.start)})
	n := len(r.got)
	r.mu.Unlock()
	return r.answer(ctx, n, a)
}

// gets checks the messages that the receiver got, as TEXT@TIME.
func (r *receiver) gets(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, a := range r.got {
		got = append(got, fmt.Sprintf("%s@%v", a.text, a.after))
	}
	if !slices.Equal(got, want) {
		t.Errorf("it gets %v, want %v", got, want)
	}
}

// bench is a Notifier with its receivers.
type bench struct {
	t         *testing.T
	box       *outbox.Box
	n         *Notifier
	receivers []*receiver

	mu   sync.Mutex // guards said
	said []string
}

func newBench(t *testing.T, answers ...func(ctx context.Context, n int, a *alert.Alert) error) *bench {
	b := &bench{t: t}
	var sinks []*sink.Sink
	for i, answer := range answers {
		r := &receiver{start: time.Now(), answer: answer}
		b.receivers = append(b.receivers, r)
		sinks = append(sinks, &sink.Sink{Key: fmt.Sprint(i), Label: fmt.Sprintf("R%d", i), Takes: func(*alert.Alert) bool { return true }, Deliver: r.deliver})
	}
	var err error
	if b.box, err = outbox.Open("", nil, Receivers(sinks)); err != nil {
		t.Fatal(err)
	}
	b.n = New(b.box, sinks, func(text string) {
		b.mu.Lock()
		b.said = append(b.said, text)
		b.mu.Unlock()
	})
	b.n.Start()
	return b
}

// send adds messages to the outbox.
func (b *bench) send(texts ...string) {
	for _, text := range texts {
		a := &alert.Alert{ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(text)), Time: time.Now(), Text: text}
		b.box.Commit(&outbox.Record{Messages: []outbox.Message{{Alert: a, To: b.n.To(a)}}})
	}
	synctest.Wait()
}

// says checks what was said since the last call.
func (b *bench) says(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.said, want) {
		b.t.Errorf("it says\n\t%s\nwant\n\t%s", strings.Join(b.said, "\n\t"), strings.Join(want, "\n\t"))
	}
	b.said = nil
}

func takes(context.Context, int, *alert.Alert) error { return nil }

// TestDown tries again with growing pauses, in order, while another receiver gets
// its messages at once. The status and the log show what waits.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(_ context.Context, n int, _ *alert.Alert) error {
			if n <= 5 {
				return errors.New("down")
			}
			return nil
		}, takes)
		b.send("a")
		time.Sleep(2 * time.Second)
		b.send("b", "c")
		b.receivers[1].gets(t, "a@0s", "b@2s", "c@2s")
		b.says("cannot notify R0: down; 1 message waits, trying again")
		if s := b.n.Status(); s[0].Waiting != 3 || time.Since(s[0].Oldest) != 2*time.Second || s[0].Error != "down" || time.Until(s[0].NextTry) != time.Second || s[1].Waiting != 0 || s[1].Taken != 3 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.receivers[0].gets(t, "a@0s", "a@1s", "a@3s", "a@7s", "a@15s", "a@31s", "b@31s", "c@31s")
		b.says("R0 takes messages again; 2 messages wait")
		if s := b.n.Status()[0]; s.Waiting != 0 || s.Error != "" || s.Taken != 3 || !s.NextTry.IsZero() {
			t.Errorf("%+v", s)
		}
		b.n.Stop(0)
	})
}

// TestLongPause never waits for longer than five minutes, and says now and then
// that a receiver is still down.
func TestLongPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(_ context.Context, n int, _ *alert.Alert) error { return errors.New("down") })
		b.send("a")
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		got := b.receivers[0].got
		if last := got[len(got)-1].after - got[len(got)-2].after; last != maxPause || len(got) < 13 {
			t.Errorf("%d attempts, the last pause %v", len(got), last)
		}
		if n := len(b.said); n != 3 {
			t.Errorf("it has said it %d times", n)
		}
		b.n.Stop(time.Minute) // does not wait for it
		if b.n.Status()[0].Waiting != 1 {
			t.Error("the message is gone")
		}
	})
}

// TestLater waits as long as the receiver asks for.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(_ context.Context, n int, _ *alert.Alert) error {
			if n == 1 {
				return &sink.Later{After: 90 * time.Second, Err: errors.New("too many")}
			}
			return nil
		})
		b.send("a")
		time.Sleep(time.Hour)
		b.receivers[0].gets(t, "a@0s", "a@1m30s")
		b.n.Stop(0)
	})
}

// TestRefused gives up a message that the receiver refuses, and goes on with the
// next one.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(_ context.Context, _ int, a *alert.Alert) error {
			if a.Text != "c" {
				return &sink.Refusal{Err: errors.New("it answers 400")}
			}
			return nil
		})
		b.send("a", "b", "c")
		time.Sleep(time.Hour)
		b.receivers[0].gets(t, "a@0s", "a@1s", "a@3s", "b@3s", "b@4s", "b@6s", "c@6s")
		b.says("cannot notify R0: it answers 400; 3 messages wait, trying again",
			"R0 has refused a message 3 times, so it is given up: it answers 400: a",
			"cannot notify R0: it answers 400; 2 messages wait, trying again",
			"R0 has refused a message 3 times, so it is given up: it answers 400: b")
		if s := b.n.Status()[0]; s.Refused != 2 || s.Taken != 1 || s.Error != "" {
			t.Errorf("%+v", s)
		}
		b.n.Stop(0)
	})
}

// TestStop delivers what waits within the grace time, and interrupts a delivery
// that takes longer.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, _ int, _ *alert.Alert) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		b := newBench(t, slow)
		b.send("a", "b", "c")
		begin := time.Now()
		b.n.Stop(5 * time.Second)
		b.receivers[0].gets(t, "a@0s", "b@2s", "c@4s")
		if took := time.Since(begin); took != 5*time.Second || b.n.Status()[0].Waiting != 1 {
			t.Errorf("it took %v, %d wait", took, b.n.Status()[0].Waiting)
		}
		b = newBench(t, slow)
		b.send("a")
		begin = time.Now()
		b.n.Stop(time.Minute)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestPace delivers one message per pace, and at the end what waits at once.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, takes)
		b.n.workers[0].Pace = 10 * time.Second
		b.send("a", "b", "c")
		b.receivers[0].gets(t, "a@0s")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b.receivers[0].gets(t, "a@0s", "b@10s")
		time.Sleep(time.Second)
		b.n.Stop(time.Second)
		b.receivers[0].gets(t, "a@0s", "b@10s", "c@11s")
	})
}
