package history

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
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

func seqsOf(entries []*event) []uint64 {
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
	limits, steps, looks := Limits{Events: 1 + r.IntN(80), Runs: 1000}, 200, 1
	if r.IntN(4) == 0 { // over several segments
		limits.Events, steps, looks = 1+r.IntN(2*segmentEvents), 6*segmentEvents, 20
	}
	if r.IntN(3) == 0 {
		limits.Bytes = 500 + r.IntN(4000)
	}
	h := withDefaults(limits)
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
		if err := h.Publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
		m.all = append(m.all, ev)
		if n := h.cache.len(); n > h.limits.Events || h.cache.bytes > h.limits.Bytes && n > 1 {
			t.Fatalf("%d events of %d bytes cached; at most %d, %d", n, h.cache.bytes, h.limits.Events, h.limits.Bytes)
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
func readAnywhere(t *testing.T, h *History, m *model, seq uint64, filter wire.Filter, maxEvents, maxBytes int) {
	t.Helper()
	at, err := h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: seq}, false)
	if err != nil {
		t.Fatal(err)
	}
	start := max(seq+1, h.cache.oldest)
	if at.Next != start || at.Missed != start-seq-1 {
		t.Fatalf("from %d: at %d, %d missed; want %d, %d", seq, at.Next, at.Missed, start, start-seq-1)
	}
	var snapshot []uint64
	if at.Missed > 0 {
		snapshot = m.unfinished(int(start) - 1)
	}
	if got := seqsOf(at.snapshot); !slices.Equal(got, snapshot) {
		t.Fatalf("from %d: snapshot %v; want %v", seq, got, snapshot)
	}
	var got, want []uint64
	reader, decoder := NewReader(&filter, nil), protocol.NewEventDecoder(h.types)
	check := func(ev *wire.Event) {
		if was := m.all[ev.Seq-1]; !reflect.DeepEqual(*ev, was) {
			t.Fatalf("read %+v; published %+v", *ev, was)
		}
		got = append(got, ev.Seq)
	}
	for _, e := range at.snapshot {
		if err := decoder.Decode(append(reader.sent.Append(nil, e.def), e.data...), 1, check); err != nil {
			t.Fatal(err)
		}
	}
	got = nil
	for at.Next <= h.cache.head {
		data, n := h.Read(&at, &reader, portionOf(maxEvents, maxBytes), nil)
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
	now, _ := h.Begin(wire.FromNow, wire.Cursor{}, false)
	if s := seqsOf(now.snapshot); !slices.Equal(s, m.unfinished(len(m.all))) || now.Next != h.cache.head+1 {
		t.Fatalf("now: %d, snapshot %v; want %v", now.Next, s, m.unfinished(len(m.all)))
	}
}

// withDefaults returns a history. A limit of zero stands for a large one.
func withDefaults(l Limits) *History {
	for limit, large := range map[*int]int{&l.Events: 10_000, &l.Bytes: 64 << 20, &l.EventBytes: 64 << 10, &l.Runs: 10_000, &l.Jobs: 10_000} {
		if *limit == 0 {
			*limit = large
		}
	}
	l.RunSilence = time.Hour
	return New(l)
}

// portionOf bounds a reading by events and bytes alone.
func portionOf(events, bytes int) Portion {
	return Portion{Last: math.MaxUint64, Looks: math.MaxInt, Events: events, Bytes: bytes}
}

// TestReadBehind gives a reader whose place leaves the cache while it reads the
// gap and nothing else.
func TestReadBehind(t *testing.T) {
	h := withDefaults(Limits{Events: 10})
	run := uuid.New()
	publish := func(n int) {
		for range n {
			if err := h.Publish(&wire.Event{JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}, 0, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(5)
	at, _ := h.Begin(wire.FromOldest, wire.Cursor{}, false)
	publish(20)
	if data, n := h.Read(&at, new(Reader), portionOf(100, 1<<20), nil); n != 0 || len(data) != 0 || at.Missed != 15 || at.Next != 16 || !slices.Equal(seqsOf(at.snapshot), []uint64{15}) {
		t.Errorf("read %d events at %+v", n, at)
	}
}

// TestRenew gives the snapshot again that belongs to a place, or goes on from
// the head and counts what is skipped.
func TestRenew(t *testing.T) {
	h := withDefaults(Limits{Events: 10})
	run := uuid.New()
	for range 15 {
		h.Publish(&wire.Event{JobID: run, RunID: run, Data: wire.TransferData{Status: wire.Status{State: wire.Transferring}}}, 0, false)
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
		at, err := h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: test.seq}, true)
		if err != nil || at.Next != test.next || at.Missed != test.missed || !slices.Equal(seqsOf(at.snapshot), []uint64{test.snapshot}) {
			t.Errorf("after %d: %+v, %v; want %+v", test.seq, at, err, test)
		}
	}
}

// TestBytesOfDefinitions: what runs have in their names counts as long as one of
// their events is cached, once for each run.
func TestBytesOfDefinitions(t *testing.T) {
	h := withDefaults(Limits{Bytes: 1 << 20})
	publish := func(run uuid.UUID, number int, state wire.State) {
		t.Helper()
		e := spoken(run, state)
		e.Data.Initialize = &wire.InitializeData{Name: strings.Repeat("n", 25<<10)}
		if number > 0 {
			e.Data.Header = &wire.PackageHeader{Number: number, TargetFilePath: strings.Repeat("p", 5<<10)}
		}
		e.Data.Status.Final = state.EndsRun(false)
		if err := h.Publish(&e, 0, false); err != nil {
			t.Fatal(err)
		}
	}
	for range 300 {
		run := uuid.New()
		publish(run, 0, wire.JobInitialized)
		publish(run, 1, wire.Transferring)
		publish(run, 0, wire.JobCompleted)
	}
	if f := h.Figures(); f.Bytes > 1<<20 || f.Bytes < 1<<20-50<<10 || f.Events > 3*35 || f.Events < 3*30 {
		t.Errorf("%d bytes of %d events", f.Bytes, f.Events)
	}
	run := uuid.New()
	for range 1000 {
		publish(run, 1, wire.Transferring)
	}
	if f := h.Figures(); f.Events < 1000 || f.Bytes > 1<<20 {
		t.Errorf("%d bytes of %d events", f.Bytes, f.Events)
	}
}

// TestJobsBound keeps the jobs that spoke last.
func TestJobsBound(t *testing.T) {
	h := withDefaults(Limits{Jobs: 3})
	var jobs []uuid.UUID
	for range 5 {
		jobs = append(jobs, uuid.New())
		h.Publish(&wire.Event{JobID: jobs[len(jobs)-1], RunID: uuid.New(), Data: wire.TransferData{Status: wire.Status{State: wire.JobCompleted, Final: true}}}, 0, false)
	}
	_, n, more := h.ReadJobs(uuid.Nil, nil, 1<<20, nil)
	if n != 3 || more || h.jobs.byID[jobs[1]] != nil || h.jobs.byID[jobs[2]] == nil {
		t.Errorf("%d jobs kept", n)
	}
	// In pages of one, each comes once.
	seen, after := 0, uuid.Nil
	for more = true; more; seen++ {
		var data []byte
		data, n, more = h.ReadJobs(after, nil, 1, nil)
		if n != 1 {
			t.Fatalf("a page of %d", n)
		}
		protocol.NewEventDecoder(h.types).Decode(data, n, func(ev *wire.Event) { after = ev.JobID })
	}
	if seen != 3 {
		t.Errorf("%d jobs in pages", seen)
	}
}

// testHistory returns a history of 40 events of one run, of which the last ten
// are cached.
func testHistory(t *testing.T) (h *History, run uuid.UUID) {
	t.Helper()
	h, run = withDefaults(Limits{Events: 10}), uuid.New()
	publishMore(t, h, run, 40)
	return h, run
}

func publishMore(t *testing.T, h *History, run uuid.UUID, n int) {
	t.Helper()
	for range n {
		ev := spoken(run, wire.Transferring)
		if err := h.Publish(&ev, 0, false); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoGaps: if a reader meets a second gap before it has announced the
// first, the missed events add up.
func TestTwoGaps(t *testing.T) {
	h, run := testHistory(t)
	at, err := h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: 5}, false)
	if err != nil || at.Missed != 25 {
		t.Fatalf("%d missed, %v", at.Missed, err)
	}
	for gap := range uint64(3) {
		publishMore(t, h, run, 100)
		_, n := h.Read(&at, new(Reader), portionOf(1000, 1<<20), nil)
		if want := 125 + 100*gap; n != 0 || at.Missed != want || at.Next != want+6 || !slices.Equal(seqsOf(at.snapshot), []uint64{want + 5}) {
			t.Errorf("gap %d: %d events, %d missed, next %d, snapshot %v; want %d missed", gap+2, n, at.Missed, at.Next, seqsOf(at.snapshot), want)
		}
	}
}

// TestBegin begins at each place where a subscription or a page may begin.
func TestBegin(t *testing.T) {
	h, _ := testHistory(t)
	other := uuid.New()
	for _, tc := range []struct {
		from         wire.From
		cursor       wire.Cursor
		next, missed uint64
		snapshot     uint64 // the one event of it; 0 for none
		refused      bool
	}{
		{from: wire.FromNow, next: 41, snapshot: 40},
		{from: wire.FromOldest, next: 31, snapshot: 30},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch, Seq: 40}, next: 41},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch, Seq: 41}, refused: true},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch, Seq: 31}, next: 32},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch, Seq: 30}, next: 31},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch, Seq: 29}, next: 31, missed: 1, snapshot: 30},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: h.epoch}, next: 31, missed: 30, snapshot: 30},
		{from: wire.FromCursor, cursor: wire.Cursor{Epoch: other, Seq: 1000}, next: 31, missed: 30, snapshot: 30},
		{from: wire.FromCursor + 1, refused: true},
	} {
		at, err := h.Begin(tc.from, tc.cursor, false)
		var snapshot []uint64
		if tc.snapshot > 0 {
			snapshot = []uint64{tc.snapshot}
		}
		head := uint64(40)
		if tc.refused {
			head = 0
		}
		if refused := errors.Is(err, wire.BadRequest); refused != tc.refused || at.Next != tc.next || at.Missed != tc.missed || at.Head != head || !slices.Equal(seqsOf(at.snapshot), snapshot) {
			t.Errorf("from %v, %v: %+v, %v; want %+v", tc.from, tc.cursor, at, err, tc)
		}
		if tc.from != wire.FromCursor {
			continue
		}
		page, err := h.After(tc.cursor)
		if (err != nil) != tc.refused || page.Next != tc.next || page.Missed != tc.missed || page.snapshot != nil {
			t.Errorf("a page after %v: %+v, %v; want %+v", tc.cursor, page, err, tc)
		}
	}
	if page, err := h.After(wire.Cursor{}); err != nil || page.Next != 31 || page.Missed != 0 {
		t.Errorf("the first page: %+v, %v", page, err)
	}
}

// TestReadBounds copies as many events and bytes as it may, and one event at
// least, however large.
func TestReadBounds(t *testing.T) {
	h, _ := testHistory(t)
	read := func(maxEvents, maxBytes int, before string) (n, size int, next uint64) {
		at, err := h.Begin(wire.FromCursor, wire.Cursor{Epoch: h.epoch, Seq: 30}, false)
		if err != nil {
			t.Fatal(err)
		}
		data, n := h.Read(&at, new(Reader), portionOf(maxEvents, maxBytes), []byte(before))
		return n, len(data) - len(before), at.Next
	}
	_, one, _ := read(1, 1<<20, "")
	_, two, _ := read(2, 1<<20, "")
	three := two + two - one
	for _, tc := range []struct{ maxEvents, maxBytes, n int }{
		{0, 1 << 20, 0}, {1, 1 << 20, 1}, {9, 1 << 20, 9}, {10, 1 << 20, 10}, {11, 1 << 20, 10},
		{10, 0, 1}, {10, one, 1}, {10, two - 1, 1}, {10, two, 2}, {10, three - 1, 2}, {10, three, 3},
	} {
		for _, before := range []string{"", "what was there"} {
			if n, _, next := read(tc.maxEvents, tc.maxBytes, before); n != tc.n || next != uint64(31+tc.n) {
				t.Errorf("%d events, %d bytes at most: %d events, next %d; want %d", tc.maxEvents, tc.maxBytes, n, next, tc.n)
			}
		}
	}
}

// TestReadJobs returns the latest events in the order of the jobs' IDs, of the
// jobs that may be seen, and whether there are more.
func TestReadJobs(t *testing.T) {
	h := withDefaults(Limits{})
	for _, id := range []byte{3, 1, 4, 2, 5, 1} {
		publishMore(t, h, uuid.UUID{id}, 1)
	}
	size := 0
	read := func(after byte, sees *JobSet, maxBytes int) (ids []byte, more bool) {
		data, n, more := h.ReadJobs(uuid.UUID{after}, sees, maxBytes, nil)
		size = len(data)
		if err := protocol.NewEventDecoder(h.types).Decode(data, n, func(e *wire.Event) { ids = append(ids, e.JobID[0]) }); err != nil {
			t.Fatal(err)
		}
		return ids, more
	}
	few := NewJobSet([]uuid.UUID{{2}, {4}, {9}}, nil)
	for _, tc := range []struct {
		after    byte
		sees     *JobSet
		maxBytes int
		want     string
		more     bool
	}{
		{0, nil, 1 << 20, "[1 2 3 4 5]", false}, {2, nil, 1 << 20, "[3 4 5]", false}, {5, nil, 1 << 20, "[]", false},
		{0, few, 1 << 20, "[2 4]", false}, {2, few, 1 << 20, "[4]", false},
		{0, nil, 0, "[1]", true}, {4, nil, 0, "[5]", false}, {0, few, 0, "[2]", true}, {2, few, 0, "[4]", false},
	} {
		if ids, more := read(tc.after, tc.sees, tc.maxBytes); fmt.Sprint(ids) != tc.want || more != tc.more {
			t.Errorf("after %d, %d bytes at most: %v, more: %v; want %s, %v", tc.after, tc.maxBytes, ids, more, tc.want, tc.more)
		}
	}
	read(0, nil, 1<<20)
	if ids, more := read(0, nil, size); len(ids) != 5 || more {
		t.Errorf("%d bytes at most: %v, more: %v", size, ids, more)
	}
}

// TestNothingPinned: events that are kept after they have left the cache, as
// the latest of their run or job, keep no segment of the cache in memory once
// it has moved on by a segment's length.
func TestNothingPinned(t *testing.T) {
	h := withDefaults(Limits{Events: 100})
	arrays := make(map[*byte]int) // every array that a segment has had, and its length
	pins := func(e *event) bool {
		at := uintptr(unsafe.Pointer(unsafe.SliceData(e.data)))
		for first, n := range arrays {
			if start := uintptr(unsafe.Pointer(first)); at >= start && at < start+uintptr(n) {
				return true
			}
		}
		return false
	}
	for i := range 12 * segmentEvents {
		run := uuid.UUID{1, byte(i % 3)}
		switch {
		case i%50 == 10: // runs that speak once
			run = uuid.UUID{2, byte(i / 50)}
		case i%90 == 20: // one that speaks again just before its event would leave the cache
			run = uuid.UUID{3}
		}
		publishMore(t, h, run, 1)
		for _, s := range h.cache.segments {
			arrays[unsafe.SliceData(s.data)] = cap(s.data)
		}
		kept := slices.Concat(closeGaps(h.runs.tail.events), closeGaps(h.runs.head.events), h.jobs.after(uuid.Nil, 1<<20))
		for _, e := range kept {
			if e.seq+segmentEvents < h.cache.oldest && pins(e) {
				t.Fatalf("after event %d: event %d lies in a segment; the oldest in the cache is %d", h.cache.head, e.seq, h.cache.oldest)
			}
		}
		for _, e := range h.jobs.after(uuid.Nil, 1<<20) {
			if e.seq < h.cache.oldest && pins(e) {
				t.Fatalf("after event %d: the latest event of a job, %d, lies in a segment; the oldest in the cache is %d", h.cache.head, e.seq, h.cache.oldest)
			}
		}
	}
}
