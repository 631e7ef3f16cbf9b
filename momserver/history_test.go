package momserver

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// model is the plainest history: everything that was ever published.
type model struct {
	all []wire.Event
}

// unfinished returns the latest event of every run that is unfinished after
// the first n events, in their order.
func (m *model) unfinished(n int) []uint64 {
	latest := make(map[uuid.UUID]uint64)
	for _, e := range m.all[:n] {
		if e.EndsRun() {
			delete(latest, e.RunID)
		} else {
			latest[e.RunID] = e.Seq
		}
	}
	var seqs []uint64
	for _, seq := range latest {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	return seqs
}

func seqsOf(entries []*entry) []uint64 {
	var seqs []uint64
	for _, e := range entries {
		seqs = append(seqs, e.seq)
	}
	return seqs
}

// TestHistoryScript plays random scripts against the model and checks after
// every step what a reader at any place would get.
func TestHistoryScript(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			historyScript(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func historyScript(t *testing.T, r *rand.Rand) {
	cfg, steps, looks := Config{CacheEvents: 1 + r.IntN(80), MaxRuns: 1000}, 200, 1
	if r.IntN(4) == 0 { // over several segments
		cfg.CacheEvents, steps, looks = 1+r.IntN(2*segmentEvents), 6*segmentEvents, 20
	}
	if r.IntN(3) == 0 {
		cfg.CacheBytes = 500 + r.IntN(4000)
	}
	cfg = cfg.withDefaults()
	h := newHistory(&cfg)
	m := &model{}
	runs := make([]uuid.UUID, 1+r.IntN(6))
	for i := range runs {
		runs[i] = uuid.New()
	}
	filters := []wire.Filter{{}, {Severity: wire.SeverityError}, {Names: []string{"job 1"}}, {States: []wire.State{wire.JobCompleted, wire.Transferring}}}
	for step := range steps {
		i := r.IntN(len(runs))
		ev := wire.Event{JobID: runs[i], RunID: runs[i]}
		ev.Data.Initialize = &wire.InitializeData{Name: fmt.Sprint("job ", i)}
		ev.Data.Status.State = []wire.State{wire.Transferring, wire.Transferred, wire.JobCompleted, wire.ExportingError}[r.IntN(4)]
		ev.Data.Status.Final = ev.Data.Status.State.EndsRun(false)
		if n := r.IntN(40); n > 0 { // of more packages than the encoder keeps
			ev.Data.Header = &wire.PackageHeader{Number: n, FileSize: 100, SizeOfSentData: int64(step)}
			ev.Data.Body = &wire.PackageBody{Files: n, Item: fmt.Sprint("item ", step)}
		}
		if err := h.publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
		m.all = append(m.all, ev)
		if n := h.cache.len(); n > cfg.CacheEvents || h.cache.bytes > cfg.CacheBytes && n > 1 {
			t.Fatalf("%d events of %d bytes cached; at most %d, %d", n, h.cache.bytes, cfg.CacheEvents, cfg.CacheBytes)
		}
		if step%looks > 0 {
			continue
		}
		readAnywhere(t, h, m, uint64(r.IntN(len(m.all)+1)), filters[r.IntN(len(filters))], 1+r.IntN(100), 100+r.IntN(5000))
	}
}

// readAnywhere begins after the event seq and reads to the head in small
// steps. It must get the rest of the stream, or the exact gap, the snapshot at
// its end, and the rest.
func readAnywhere(t *testing.T, h *history, m *model, seq uint64, filter wire.Filter, maxEvents, maxBytes int) {
	t.Helper()
	at, err := h.begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: seq}, false)
	if err != nil {
		t.Fatal(err)
	}
	start := max(seq+1, h.cache.oldest)
	if at.next != start || at.missed != start-seq-1 {
		t.Fatalf("from %d: at %d, %d missed; want %d, %d", seq, at.next, at.missed, start, start-seq-1)
	}
	var snapshot []uint64
	if at.missed > 0 {
		snapshot = m.unfinished(int(start) - 1)
	}
	if got := seqsOf(at.snapshot); !slices.Equal(got, snapshot) {
		t.Fatalf("from %d: snapshot %v; want %v", seq, got, snapshot)
	}
	var got, want []uint64
	reader, decoder := &reader{filter: filter}, wire.NewEventDecoder(h.types)
	check := func(ev *wire.Event) {
		if was := m.all[ev.Seq-1]; !reflect.DeepEqual(*ev, was) {
			t.Fatalf("read %+v; published %+v", *ev, was)
		}
		got = append(got, ev.Seq)
	}
	for _, e := range at.snapshot {
		if err := decoder.Decode(append(reader.known.Append(nil, e.def), e.data...), 1, check); err != nil {
			t.Fatal(err)
		}
	}
	got = nil
	for at.next <= h.cache.head {
		data, n := h.read(&at, reader, maxEvents, maxBytes, nil)
		if n > maxEvents || n > 1 && len(data) > maxBytes+1000 {
			t.Fatalf("read %d events of %d bytes; at most %d, %d", n, len(data), maxEvents, maxBytes)
		}
		if err := decoder.Decode(data, n, check); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range m.all[start-1:] {
		if filter.Takes(&e) {
			want = append(want, e.Seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("from %d: read %v; want %v", seq, got, want)
	}
	now, _ := h.begin(wire.FromNow, wire.Cursor{}, false)
	if s := seqsOf(now.snapshot); !slices.Equal(s, m.unfinished(len(m.all))) || now.next != h.cache.head+1 {
		t.Fatalf("now: %d, snapshot %v; want %v", now.next, s, m.unfinished(len(m.all)))
	}
}

// TestReadBehind gives a reader whose place leaves the cache while it reads the
// gap and nothing else.
func TestReadBehind(t *testing.T) {
	cfg := Config{CacheEvents: 10}.withDefaults()
	h := newHistory(&cfg)
	run := uuid.New()
	publish := func(n int) {
		for range n {
			if err := h.publish(&wire.Event{JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}, 0, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(5)
	at, _ := h.begin(wire.FromOldest, wire.Cursor{}, false)
	publish(20)
	if data, n := h.read(&at, new(reader), 100, 1<<20, nil); n != 0 || len(data) != 0 || at.missed != 15 || at.next != 16 || !slices.Equal(seqsOf(at.snapshot), []uint64{15}) {
		t.Errorf("read %d events at %+v", n, at)
	}
}

// TestRenew gives the snapshot again that belongs to a place, or goes on from
// the head and counts what is skipped.
func TestRenew(t *testing.T) {
	cfg := Config{CacheEvents: 10}.withDefaults()
	h := newHistory(&cfg)
	run := uuid.New()
	for range 15 {
		h.publish(&wire.Event{JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}, 0, false)
	}
	for _, test := range []struct {
		seq, next, missed uint64
		snapshot          uint64
	}{
		{5, 6, 0, 5},    // at the tail
		{3, 6, 2, 5},    // behind it: a gap as ever
		{10, 16, 5, 15}, // within: on to the head
		{15, 16, 0, 15}, // at the head
	} {
		at, err := h.begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: test.seq}, true)
		if err != nil || at.next != test.next || at.missed != test.missed || !slices.Equal(seqsOf(at.snapshot), []uint64{test.snapshot}) {
			t.Errorf("after %d: %+v, %v; want %+v", test.seq, at, err, test)
		}
	}
}

// TestJobsBound keeps the jobs that spoke last.
func TestJobsBound(t *testing.T) {
	cfg := Config{MaxJobs: 3}.withDefaults()
	h := newHistory(&cfg)
	var jobs []uuid.UUID
	for range 5 {
		jobs = append(jobs, uuid.New())
		h.publish(&wire.Event{JobID: jobs[len(jobs)-1], RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted, Final: true}}}, 0, false)
	}
	_, n, more := h.readJobs(uuid.Nil, nil, 1<<20, nil)
	if n != 3 || more || h.jobs.byJob[jobs[1]] != nil || h.jobs.byJob[jobs[2]] == nil {
		t.Errorf("%d jobs kept", n)
	}
	// In pages of one, each comes once.
	seen, after := 0, uuid.Nil
	for more = true; more; seen++ {
		var data []byte
		data, n, more = h.readJobs(after, nil, 1, nil)
		if n != 1 {
			t.Fatalf("a page of %d", n)
		}
		wire.NewEventDecoder(h.types).Decode(data, n, func(ev *wire.Event) { after = ev.JobID })
	}
	if seen != 3 {
		t.Errorf("%d jobs in pages", seen)
	}
}
