package protocol

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

// TestDefinitionsForgotten interleaves more runs and packages than a receiver
// keeps definitions of: every event comes through whole, and a definition is sent
// again only if the receiver may have forgotten it. A receiver may keep more than the
// sender expects.
func TestDefinitionsForgotten(t *testing.T) {
	few, all := DefinitionBounds{Number: 9}, DefinitionBounds{math.MaxUint32, math.MaxUint32}
	for name, tc := range map[string]struct {
		known SentDefs
		keeps DefinitionBounds
	}{
		"the default":              {},
		"more than it stated":      {SentDefs{}, MostDefinitions()},
		"few":                      {SentDefs{bounds: few}, few},
		"few, and more than those": {SentDefs{bounds: few}, DefinitionBounds{Number: 10}},
		"few bytes":                {SentDefs{bounds: DefinitionBounds{Bytes: 2000}}, DefinitionBounds{Bytes: 2000}},
		"one":                      {SentDefs{bounds: DefinitionBounds{Number: 1}}, DefinitionBounds{Number: 1}},
		"fewer than a server uses": {NewSentDefs(few), DefinitionBounds{}},
		"more than there are":      {NewSentDefs(MostDefinitions()), MostDefinitions()},
		"more than a server uses":  {NewSentDefs(all), MostDefinitions()},
	} {
		t.Run(name, func(t *testing.T) { interleave(t, tc.known, tc.keeps) })
	}
}

func interleave(t *testing.T, known SentDefs, keeps DefinitionBounds) {
	rng := attack.Random(t)
	const runs, packages = 2000, 3
	type stream struct {
		common RunDefs
		event  wire.Event
	}
	streams := make([]*stream, runs)
	for i := range streams {
		streams[i] = &stream{event: wire.Event{JobID: uuid.New(), RunID: uuid.New(), Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: string(rune('a' + i%26)), Bytes: int64(i)},
		}}}
	}
	enc := NewEventEncoder()
	dec := NewEventDecoder(enc.Types())
	dec.KeepDefinitions(keeps)
	definitions, most := 0, keeps.orDefault()
	for seq := uint64(1); seq <= 12_000; seq++ {
		// Most come from a few runs, so that some definitions are kept, and
		// some not.
		s := streams[rng.IntN(runs)]
		if rng.IntN(3) > 0 {
			s = streams[rng.IntN(20)]
		}
		ev := s.event
		ev.Seq = seq
		ev.Data.Status.State = wire.Transferring
		if p := rng.IntN(packages + 1); p > 0 {
			ev.Data.Header = &wire.PackageHeader{Number: p, FileSize: 9, SizeOfSentData: rng.Int64N(9)}
			ev.Data.Body = &wire.PackageBody{Files: p, Item: "item"}
		}
		def, record, err := enc.Encode(&ev, &s.common, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		data := known.Append(nil, def)
		if len(data) > 0 {
			definitions++
		}
		if n, bytes := len(known.sent), known.count.bytes; n > maxSentElements || bytes > int(most.Bytes) {
			t.Fatalf("the sender keeps %d elements, and %d bytes", n, bytes)
		}
		got := decoded(t, dec, append(data, record...), 1)
		if len(got) != 1 || !reflect.DeepEqual(got[0], ev) {
			t.Fatalf("event %d came through as %+v; want %+v", seq, got, ev)
		}
	}
	if k := &dec.defs; len(k.order) > int(most.Number) || len(k.byNumber) > len(k.order) || k.count.bytes > int(most.Bytes) || definitions == 0 {
		t.Errorf("%d definitions are kept, %d of %d bytes; at most %+v", len(k.byNumber), len(k.order), k.count.bytes, most)
	}
	if known.bounds == MostDefinitions() && known.count.number != int(enc.number) {
		t.Errorf("%d definitions were sent; there are %d", known.count.number, enc.number)
	}
}

// TestKeptDefinitions: a receiver forgets the oldest definitions before one that would
// be over a bound. A definition that has come twice counts twice, and is kept as long
// as the later one.
func TestKeptDefinitions(t *testing.T) {
	k := keptDefinitions{bounds: DefinitionBounds{3, 100}}
	for i, step := range []struct {
		number uint64
		bytes  int
		left   []uint64
	}{
		{1, 1, []uint64{1}}, {2, 1, []uint64{1, 2}}, {3, 1, []uint64{1, 2, 3}}, {4, 1, []uint64{2, 3, 4}},
		{2, 1, []uint64{2, 3, 4}}, {5, 1, []uint64{2, 4, 5}}, {6, 1, []uint64{2, 5, 6}}, {7, 1, []uint64{5, 6, 7}},
		{8, 98, []uint64{6, 7, 8}}, {9, 2, []uint64{8, 9}}, {10, 200, []uint64{10}}, {11, 1, []uint64{11}}, {12, 99, []uint64{11, 12}},
	} {
		k.keep(step.number, definition{}, step.bytes)
		if left := slices.Sorted(maps.Keys(k.byNumber)); !slices.Equal(left, step.left) || len(k.order) != k.count.number {
			t.Errorf("step %d: %d are kept; want %d", i, left, step.left)
		}
	}
}

// TestSentDefsFarApart: the memory for what a receiver has been sent has a bound even
// if the numbers of the definitions are far apart.
func TestSentDefsFarApart(t *testing.T) {
	k := NewSentDefs(MostDefinitions())
	for n := range uint64(3 * maxSentElements) {
		d := &Definition{number: 64 * n, bytes: []byte("D")}
		d.run = d
		if k.Append(nil, d); len(k.sent) != int(n%maxSentElements)+1 {
			t.Fatalf("after %d definitions, %d elements", n+1, len(k.sent))
		}
	}
}

// TestSentDefsSendOnce: a receiver is sent each definition once, a package's after
// its run's, and again after it was forgotten.
func TestSentDefsSendOnce(t *testing.T) {
	defineRun := func(number uint64, bytes string) *Definition {
		d := &Definition{number: number, bytes: []byte(bytes)}
		d.run = d
		return d
	}
	run := defineRun(1, "R")
	pack := &Definition{number: 2, run: run, bytes: []byte("P")}
	other := &Definition{number: 3, run: run, bytes: []byte("O")}
	var k SentDefs
	for i, step := range []struct {
		d    *Definition
		want string
	}{{pack, "RP"}, {pack, ""}, {run, ""}, {other, "O"}, {pack, ""}} {
		if got := string(k.Append([]byte("."), step.d)); got != "."+step.want {
			t.Errorf("step %d: %q; want %q", i, got, "."+step.want)
		}
	}
	for n := range uint64(4096 - 3) {
		k.Append(nil, defineRun(100+n, "X"))
	}
	for i, step := range []struct {
		d    *Definition
		want string
	}{{pack, ""}, {&Definition{number: 4, run: defineRun(5, "S"), bytes: []byte("Q")}, "SQ"}, {pack, "RP"}, {other, "O"}} { // S is the first over the bound
		if got := string(k.Append(nil, step.d)); got != step.want {
			t.Errorf("at the bound, step %d: %q; want %q", i, got, step.want)
		}
	}
}

// TestRunDefsKeep: RunDefs keep the definition of each unfinished package of the
// latest run, in whatever order the events come, up to a number and to a number of
// bytes.
func TestRunDefsKeep(t *testing.T) {
	enc, common, most := NewEventEncoder(), new(RunDefs), MostDefinitions()
	event := func(run byte, number int, state wire.State) *wire.Event {
		return &wire.Event{RunID: uuid.UUID{run}, Data: wire.TransferData{
			Header: &wire.PackageHeader{Number: number, TargetFilePath: "/spool"}, Status: wire.Status{State: state},
		}}
	}
	encode := func(ev *wire.Event) *Definition {
		t.Helper()
		def, _, err := enc.Encode(ev, common, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(common.packages); n > int(most.Number) || common.bytes > int(most.Bytes) {
			t.Fatalf("%d definitions of %d bytes", n, common.bytes)
		} else if n > 2100 { // adding them up each time would take minutes
			return def
		}
		bytes := 0
		for _, d := range common.packages {
			bytes += len(d.bytes)
		}
		if bytes != common.bytes {
			t.Fatalf("%d bytes; counted %d", bytes, common.bytes)
		}
		return def
	}
	const many = 2000
	var defs []*Definition
	for n := range many {
		defs = append(defs, encode(event(1, n, wire.PackageInitialized)))
	}
	for _, state := range []wire.State{wire.Transferring, wire.Transferred} {
		for n, def := range defs {
			if encode(event(1, n, state)) != def {
				t.Fatalf("package %d of %d is defined again", n, many)
			}
		}
	}
	for n, def := range defs {
		last := []wire.State{wire.PackageCompleted, wire.ImportingError, wire.TransferringError}[n%3]
		if encode(event(1, n, last)) != def || len(common.packages) != many-n-1 {
			t.Fatalf("package %d is defined again at its end, or %d are kept", n, len(common.packages))
		}
	}
	grown := event(1, 1, wire.Transferring)
	encode(event(1, 1, wire.PackageInitialized))
	grown.Data.Header.FileSize = 7
	if first := encode(grown); encode(grown) != first || len(common.packages) != 1 {
		t.Errorf("a package that has grown is defined twice, or kept %d times", len(common.packages))
	}
	for n := range int(most.Number) + 1 {
		encode(event(1, n, wire.Transferring))
	}
	for n := range 2000 {
		ev := event(1, n, wire.Transferring)
		ev.Data.Header.TargetFilePath = strings.Repeat("p", 10_000)
		encode(ev)
	}
	if n := len(common.packages); n == 0 || n >= 2000 {
		t.Errorf("%d long definitions are kept", n)
	}
	encode(event(2, 5, wire.Transferring))
	if run, _ := common.find(event(1, 5, wire.Transferring)); run != nil || len(common.packages) != 1 {
		t.Errorf("another run keeps %d packages", len(common.packages))
	}
}

// TestDefinitionSays: a definition returns the job, the run and the name of its
// events.
func TestDefinitionSays(t *testing.T) {
	ev := fullEvent()
	for what, change := range map[string]func(*wire.Event){
		"package": func(*wire.Event) {}, "run": func(ev *wire.Event) { ev.Data.Header, ev.Data.Body = nil, nil },
	} {
		ev := ev
		change(&ev)
		def, _, err := NewEventEncoder().Encode(&ev, new(RunDefs), 1<<20)
		if err != nil || def.JobID() != ev.JobID || def.RunID() != ev.RunID || def.Name() != "site" || (def.run == def) != (what == "run") {
			t.Errorf("%s: %v %v %q, %v", what, def.JobID(), def.RunID(), def.Name(), err)
		}
	}
	if def, _, err := NewEventEncoder().Encode(new(wire.Event), new(RunDefs), 1<<20); err != nil || def.Name() != "" {
		t.Errorf("without Initialize: %q, %v", def.Name(), err)
	}
}

// TestDefinitionFits: a definition fits as long as nothing changes but the
// fields that each event carries itself. After another change, the run or the
// package is defined again.
func TestDefinitionFits(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(*wire.Event)
		run, pack bool // still fit
	}{
		"nothing": {func(*wire.Event) {}, true, true},
		"what each event says": {func(ev *wire.Event) {
			ev.Seq, ev.Data.Status, ev.Data.Progress = 43, wire.Status{}, wire.Progress{}
			ev.Data.Header.SizeOfSentData, ev.Data.Header.SizeOfReceivedData, ev.Data.Body.Item = 0, 0, ""
		}, true, true},
		"job":             {func(ev *wire.Event) { ev.JobID[0]++ }, false, false},
		"run":             {func(ev *wire.Event) { ev.RunID[0]++ }, false, false},
		"name":            {func(ev *wire.Event) { ev.Data.Initialize.Name += "x" }, false, false},
		"no Initialize":   {func(ev *wire.Event) { ev.Data.Initialize = nil }, false, false},
		"header":          {func(ev *wire.Event) { ev.Data.Header.FileSize++ }, true, false},
		"no header":       {func(ev *wire.Event) { ev.Data.Header = nil }, true, false},
		"body":            {func(ev *wire.Event) { ev.Data.Body.Files++ }, true, false},
		"no body":         {func(ev *wire.Event) { ev.Data.Body = nil }, true, false},
		"header of zeros": {func(ev *wire.Event) { ev.Data.Header = new(wire.PackageHeader) }, true, false},
	} {
		enc, common, known := NewEventEncoder(), new(RunDefs), new(SentDefs)
		first, next := fullEvent(), fullEvent()
		tc.change(&next)
		dec, at := NewEventDecoder(enc.Types()), new(Definition)
		for i, ev := range []wire.Event{first, next, first} { // and back
			run, pack := common.find(&ev)
			if i == 1 && ((run != nil) != tc.run || (pack != nil) != tc.pack) {
				t.Errorf("%s: the run fits: %v, the package: %v", name, run != nil, pack != nil)
			}
			def, data, err := enc.Encode(&ev, common, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && (def == at) != tc.pack {
				t.Errorf("%s: defined again: %v", name, def != at)
			}
			at = def
			if got := decoded(t, dec, append(known.Append(nil, def), data...), 1); !reflect.DeepEqual(got[0], undelivered(ev)) {
				t.Errorf("%s: event %d came through as %+v", name, i, got[0])
			}
		}
	}
	// What was nil and is there now does not fit, either.
	common, bare := new(RunDefs), fullEvent()
	bare.Data.Initialize, bare.Data.Header = nil, nil
	if _, _, err := NewEventEncoder().Encode(&bare, common, 1<<20); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*wire.Event){
		"Initialize": func(ev *wire.Event) { ev.Data.Initialize = new(wire.InitializeData) }, "header": func(ev *wire.Event) { ev.Data.Header = new(wire.PackageHeader) },
	} {
		ev := bare
		set(&ev)
		if run, pack := common.find(&ev); (run != nil) != (name == "header") || pack != nil {
			t.Errorf("%s is there now: the run fits: %v, the package: %v", name, run != nil, pack != nil)
		}
	}
}
