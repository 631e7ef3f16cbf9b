package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mom.internal/wire"
)

// seqs returns the sequence numbers of an answer.
func seqs(t *testing.T, a *answer) (all []uint64) {
	t.Helper()
	for _, text := range a.Events {
		var e wire.Event
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Seq)
	}
	return all
}

// TestEvents pages through the events, and goes on with later ones.
func TestEvents(t *testing.T) {
	r := newTestPage(t)
	var a answer
	r.get("/api/events", &a)
	if len(a.Events) > 0 || a.More || a.Next == "" {
		t.Errorf("none yet: %+v", a)
	}
	next := a.Next
	for range 250 {
		r.event(1, wire.Transferring)
	}
	var want uint64 = 1
	for i, n := range []int{100, 100, 50, 0} {
		a = answer{}
		r.get("/api/events?after="+next, &a)
		if len(a.Events) != n || a.More != (i < 2) || a.Missed != 0 || a.Restarted {
			t.Errorf("answer %d: %d events, %+v", i, len(a.Events), a.Next)
		}
		for _, seq := range seqs(t, &a) {
			if seq != want {
				t.Fatalf("event %d, want %d", seq, want)
			}
			want++
		}
		next = a.Next
	}
	r.event(1, wire.Transferring)
	a = answer{}
	if r.get("/api/events?limit=7&after="+next, &a); len(a.Events) != 1 || seqs(t, &a)[0] != 251 {
		t.Errorf("one since: %+v", a)
	}
	a = answer{}
	if r.get("/api/events?limit=7", &a); len(a.Events) != 7 || seqs(t, &a)[0] != 1 || !a.More {
		t.Errorf("seven: %+v", a)
	}
}

// TestEventsMissed reports how many events are no longer kept, and that the
// monitor was restarted.
func TestEventsMissed(t *testing.T) {
	r := newTestPage(t)
	r.event(1, wire.Transferring)
	var a answer
	r.get("/api/events", &a)
	next := a.Next
	for range MaxEvents + 41 {
		r.event(1, wire.Transferring)
	}
	a = answer{}
	r.get("/api/events?limit=1&after="+next, &a)
	if a.Missed != 41 || len(a.Events) != 1 || seqs(t, &a)[0] != 43 {
		t.Errorf("missed %d, then %v", a.Missed, seqs(t, &a))
	}
	a = answer{}
	if r.get("/api/events?limit=1", &a); a.Missed != 0 {
		t.Errorf("a first request has missed %d", a.Missed)
	}
	a = answer{}
	r.get("/api/events?limit=2&after=ANOTHERLIFE-77", &a)
	if !a.Restarted || a.Missed != 0 || len(a.Events) != 2 || seqs(t, &a)[0] != 43 {
		t.Errorf("another life: %+v", a)
	}
	a = answer{}
	if r.get("/api/events?after="+r.s.life+"-99999999", &a); len(a.Events) != 0 || a.More {
		t.Errorf("from the future: %+v", a)
	}
}

// TestEventsBad refuses cursors that no answer has.
func TestEventsBad(t *testing.T) {
	r := newTestPage(t)
	for _, query := range []string{"limit=0", "limit=-1", "limit=1001", "limit=many", "after=x", "after=-1", "after=X-", "after=X--1", "after=X-99999999999999999999"} {
		var e struct{ Error string }
		if w := r.get("/api/events?"+query, &e); w.Code != http.StatusBadRequest || !strings.Contains(e.Error, "want") {
			t.Errorf("%s: %d %q", query, w.Code, e.Error)
		}
	}
}

// TestEventsBytes bounds the events that are kept, and each answer.
func TestEventsBytes(t *testing.T) {
	r := newTestPage(t)
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		r.event(1, wire.Transferring, func(e *wire.Event) { e.Data.Initialize.Name = long })
	}
	if n := len(r.s.events.kept); n != 15 || r.s.events.size > MaxEventBytes {
		t.Errorf("%d kept, of %d bytes", n, r.s.events.size)
	}
	var a answer
	if r.get("/api/events?limit=1000", &a); len(a.Events) != 3 || !a.More {
		t.Errorf("%d in an answer", len(a.Events))
	}
	huge := strings.Repeat("x", MaxEventBytes+1)
	r.event(1, wire.Transferring, func(e *wire.Event) { e.Data.Initialize.Name = huge })
	a = answer{}
	if r.get("/api/events", &a); len(a.Events) != 1 || a.More {
		t.Errorf("one that is too large alone: %d", len(a.Events))
	}
}
