package protocol

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

// fullEvent has every field set.
func fullEvent() wire.Event {
	at := time.Date(2010, 3, 4, 5, 6, 7, 89_000_000, time.UTC)
	return wire.Event{
		Seq: 42, JobID: uuid.UUID{1}, RunID: uuid.UUID{2}, Epoch: uuid.UUID{3}, Missed: 4, Snapshot: true,
		Data: wire.TransferData{
			Initialize: &wire.InitializeData{
				Name: "site", DestinationPageGUID: uuid.UUID{5}, SourcePath: "/src", DestinationPath: "/dst", DestinationRoot: "/",
				LastExecution: at, FilesInPackages: 6, PagesInPackages: 7, Packages: 8, Bytes: 9, ContinueOnError: true, DryRun: true,
			},
			Header: &wire.PackageHeader{Number: 10, FileSize: 11, TargetFilePath: "p.tar", SizeOfSentData: 12, SizeOfReceivedData: 13},
			Body:   &wire.PackageBody{Pages: 14, Files: 15, Item: "a.html"},
			Status: wire.Status{
				State: wire.Transferring, Final: true, Outcome: wire.Cancelled, SentTime: at, ReceivedTime: at.Add(time.Second),
				Log: []wire.LogEntry{{Time: at, Severity: wire.SeverityWarning, Item: "b.html", Message: "odd"}},
			},
			Progress: wire.Progress{
				PackagesDone: 16, PackagesFailed: 17, PackagesTotal: 18, FilesDone: 19, FilesTotal: 20,
				BytesDone: 21, BytesTotal: 22, OpenThousandths: 29, FilesSkipped: 25, FilesDeleted: 26, FilesChecked: 27, Retries: 28,
				Warnings: 23, Errors: 24,
			},
		},
	}
}

// randomEvent returns an event with every field set.
func randomEvent(rng *rand.Rand) (ev wire.Event) {
	attack.Fill(rng, reflect.ValueOf(&ev).Elem())
	return ev
}

// undelivered returns ev as it crosses the wire.
func undelivered(ev wire.Event) wire.Event {
	ev.Epoch, ev.Missed, ev.Snapshot = uuid.Nil, 0, false
	return ev
}

// encoded returns the events as bytes, each with definitions of its own.
func encoded(t testing.TB, enc *EventEncoder, events ...wire.Event) []byte {
	t.Helper()
	var all []byte
	var known SentDefs
	for i := range events {
		def, data, err := enc.Encode(&events[i], new(RunDefs), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		all = append(known.Append(all, def), data...)
	}
	return all
}

// decoded returns the events in data.
func decoded(t *testing.T, dec *EventDecoder, data []byte, count int) (events []wire.Event) {
	t.Helper()
	if err := dec.Decode(data, count, func(ev *wire.Event) { events = append(events, *ev) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// TestStreamRoundTrip sends random events in batches to two decoders, one of
// which begins later.
func TestStreamRoundTrip(t *testing.T) {
	rng := attack.Random(t)
	enc := NewEventEncoder()
	early, late := NewEventDecoder(enc.Types()), (*EventDecoder)(nil)
	for range 100 {
		events := make([]wire.Event, rng.IntN(4))
		for i := range events {
			events[i] = randomEvent(rng)
			if rng.IntN(2) == 0 {
				events[i].Data.Initialize, events[i].Data.Status.Log = nil, nil
			}
			if rng.IntN(4) == 0 {
				events[i].Data.Body = &wire.PackageBody{} // there, though all zero
			}
		}
		data := encoded(t, enc, events...)
		for i := range events {
			events[i] = undelivered(events[i])
		}
		if got := decoded(t, early, data, len(events)); !reflect.DeepEqual(got, events) && len(events) > 0 {
			t.Fatalf("%+v\nbecame %+v", events, got)
		}
		if late == nil && rng.IntN(20) > 0 {
			continue
		}
		if late == nil {
			late = NewEventDecoder(enc.Types())
		}
		if got := decoded(t, late, data, len(events)); !reflect.DeepEqual(got, events) && len(events) > 0 {
			t.Fatalf("to a late decoder %+v\nbecame %+v", events, got)
		}
	}
}

// TestTypesOnce: no event carries definitions, and no decoder takes them twice.
func TestTypesOnce(t *testing.T) {
	enc := NewEventEncoder()
	if types, bytes := attack.Definitions(enc.Types()); types < 8 || bytes != len(enc.Types()) {
		t.Errorf("%d types in %d bytes of %d", types, bytes, len(enc.Types()))
	}
	for range 10 {
		if types, _ := attack.Definitions(encoded(t, enc, fullEvent())); types > 0 {
			t.Errorf("%d types among events", types)
		}
	}
	if data := enc.Types(); NewEventDecoder(data).Decode(data, 0, nil) == nil {
		t.Error("types are taken twice")
	}
}

// TestEncodeKeepsTheEvent: what is set on delivery is left out, and stays with
// the caller.
func TestEncodeKeepsTheEvent(t *testing.T) {
	enc, ev := NewEventEncoder(), fullEvent()
	plain := undelivered(ev)
	full, bare := len(encoded(t, enc, ev)), len(encoded(t, enc, plain))
	if full != bare || !reflect.DeepEqual(ev, fullEvent()) {
		t.Errorf("%d bytes with what is set on delivery, %d without; left with the caller: %+v", full, bare, ev)
	}
}

// TestEventLimit is exact, for an event of text and for one of many entries
// with next to nothing in them.
func TestEventLimit(t *testing.T) {
	enc := NewEventEncoder()
	text := wire.Event{Seq: 1, Data: wire.TransferData{Initialize: &wire.InitializeData{Name: strings.Repeat("n", 5000)}}}
	log := wire.Event{Seq: 1, Data: wire.TransferData{Status: wire.Status{Log: make([]wire.LogEntry, wire.MaxLogEntries)}}}
	pack := fullEvent()
	pack.Data.Header.TargetFilePath = strings.Repeat("p", 5000)
	for name, ev := range map[string]*wire.Event{"text": &text, "log": &log, "package": &pack} {
		size := len(encoded(t, enc, *ev))
		if _, _, err := enc.Encode(ev, new(RunDefs), size); err != nil {
			t.Errorf("%s: at the limit: %v", name, err)
		}
		for _, limit := range []int{size - 1, 1000, 10, 0} {
			_, _, err := enc.Encode(ev, new(RunDefs), limit)
			if !errors.Is(err, wire.TooLarge) || !strings.Contains(err.Error(), "Config.MaxEventBytes") {
				t.Errorf("%s: of %d bytes, at most %d: %v", name, size, limit, err)
			}
		}
	}
	over := wire.Event{Seq: 1, Data: wire.TransferData{Status: wire.Status{Log: make([]wire.LogEntry, wire.MaxLogEntries+1)}}}
	if _, _, err := enc.Encode(&over, new(RunDefs), 1<<20); !errors.Is(err, wire.TooLarge) || !strings.Contains(err.Error(), "1025 log entries; at most 1024") {
		t.Errorf("a log over its bound: %v", err)
	}
	huge, before := wire.Event{Data: wire.TransferData{Initialize: &wire.InitializeData{Name: strings.Repeat("n", 10<<20)}}}, attack.Allocated()
	if _, _, err := enc.Encode(&huge, new(RunDefs), 1<<20); !errors.Is(err, wire.TooLarge) || attack.Allocated()-before > 1<<20 {
		t.Errorf("10 MiB of text: %v, with %d bytes allocated", err, attack.Allocated()-before)
	}
	if n := textSize(&text); n > len(encoded(t, enc, text)) {
		t.Errorf("textSize is %d, over the size", n)
	}
	// The encoder is as good as before.
	if got := decoded(t, NewEventDecoder(enc.Types()), encoded(t, enc, log), 1); len(got[0].Data.Status.Log) != wire.MaxLogEntries {
		t.Error("an event after a refusal came through damaged")
	}
}

// TestDecodeRefuses what is not just the events, and is of no use after.
func TestDecodeRefuses(t *testing.T) {
	enc := NewEventEncoder()
	data := slices.Clone(encoded(t, enc, fullEvent(), fullEvent()))
	one := len(data) / 2
	for n := range data {
		err := NewEventDecoder(enc.Types()).Decode(data[:n], 2, func(*wire.Event) {})
		if !errors.Is(err, wire.ProtocolError) {
			t.Fatalf("two events, cut to %d of %d bytes: %v", n, len(data), err)
		}
	}
	for name, tc := range map[string]struct {
		data  []byte
		count int
	}{
		"an event too many": {data, 1}, "none counted": {data[:one], 0}, "a byte behind": {append(slices.Clone(data), 0), 2},
		"too few": {data, 3}, "none": {nil, 1},
	} {
		dec := NewEventDecoder(enc.Types())
		if err := dec.Decode(tc.data, tc.count, func(*wire.Event) {}); !errors.Is(err, wire.ProtocolError) {
			t.Errorf("%s: %v", name, err)
		}
		if err := dec.Decode(data, 2, func(*wire.Event) {}); !errors.Is(err, wire.ProtocolError) {
			t.Errorf("%s, and then a good batch: %v", name, err)
		}
	}
	for n := range enc.Types() {
		if err := NewEventDecoder(enc.Types()[:n]).Decode(data, 2, func(*wire.Event) {}); !errors.Is(err, wire.ProtocolError) {
			t.Fatalf("types cut to %d bytes: %v", n, err)
		}
	}
}

// TestDecodeMutations never panics and never hangs; its errors stay short.
func TestDecodeMutations(t *testing.T) {
	rng := attack.Random(t)
	enc := NewEventEncoder()
	data := slices.Clone(encoded(t, enc, randomEvent(rng), randomEvent(rng)))
	for i := range 3000 {
		types, events := enc.Types(), data
		if i%2 == 0 {
			types = attack.Mutated(rng, types)
		} else {
			events = attack.Mutated(rng, events)
		}
		err := NewEventDecoder(types).Decode(events, 2, func(*wire.Event) {})
		if err != nil && (!errors.Is(err, wire.ProtocolError) || len(err.Error()) > 400) {
			t.Fatal(err)
		}
	}
}

// TestTextSize counts each text of an event, and one byte for a log entry.
func TestTextSize(t *testing.T) {
	if n := textSize(new(wire.Event)); n != 0 {
		t.Errorf("an empty event has %d bytes", n)
	}
	ev := fullEvent()
	ev.Data.Status.Log = append(ev.Data.Status.Log, wire.LogEntry{})
	want := len("site"+"/src"+"/dst"+"/"+"p.tar"+"a.html") + len("b.html"+"odd") + 1 + 1
	if n := textSize(&ev); n != want {
		t.Errorf("%d bytes; want %d", n, want)
	}
}
