package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mom.internal/wire"
	"mom.internal/wire/wiretest/attack"
)

// withLog returns an event with n log entries in bytes, which Encode would
// refuse for more than MaxLogEntries.
func withLog(enc *EventEncoder, n int) []byte {
	ev := wire.Event{Seq: 1, Data: wire.TransferData{Status: wire.Status{Log: make([]wire.LogEntry, n)}}}
	data := enc.defineRun(&ev).bytes
	return append(data, enc.encodeEvent(&ev, enc.number)...)
}

// TestDecodeLog takes a log of MaxLogEntries, and refuses a longer one before it
// makes room for it.
func TestDecodeLog(t *testing.T) {
	enc := NewEventEncoder()
	if got := decoded(t, NewEventDecoder(enc.Types()), withLog(enc, wire.MaxLogEntries), 1); len(got[0].Data.Status.Log) != wire.MaxLogEntries {
		t.Errorf("%d entries became %d", wire.MaxLogEntries, len(got[0].Data.Status.Log))
	}
	for n, words := range map[int]string{
		wire.MaxLogEntries + 1: "an event with 1025 log entries; at most 1024",
		4096:                   "an event with 4096 log entries; at most 1024",
		4097:                   "more than 4096 elements",
	} {
		dec, data := NewEventDecoder(enc.Types()), withLog(enc, n)
		before := attack.Allocated()
		err := dec.Decode(data, 1, func(*wire.Event) {})
		if cost := attack.Allocated() - before; !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), words) || cost > 16<<10 {
			t.Errorf("%d entries: %v, with %d bytes allocated", n, err, cost)
		}
	}
}

// TestDecodeReferences refuses a reference to a definition that has not
// arrived, and a value of another type, first or later.
func TestDecodeReferences(t *testing.T) {
	enc, ev := NewEventEncoder(), fullEvent()
	run := enc.defineRun(&ev)
	pack := enc.definePackage(&ev, run)
	data := bytes.Clone(enc.encodeEvent(&ev, pack.number))
	retyped := func(value []byte) []byte { // as a value of the next type, whose number has as many bytes
		value = bytes.Clone(value)
		_, n := attack.Number(value)
		_, id := attack.Number(value[n:])
		value[n+id-1] += 2
		return value
	}
	whole := slices.Concat(run.bytes, pack.bytes, data)
	for name, tc := range map[string]struct {
		data  []byte
		words string // "" for a stream that is taken
	}{
		"whole":             {whole, ""},
		"a run left out":    {slices.Concat(pack.bytes, data), "definition 2 refers to 1, which has not come"},
		"a package out":     {slices.Concat(run.bytes, data), "event 42 refers to definition 2, which has not come"},
		"another type":      {retyped(whole), "a gob value that has nothing in common with type protocol.record"},
		"then another type": {slices.Concat(run.bytes, pack.bytes, retyped(data)), "values of two gob types"},
		"a byte behind":     {append(slices.Clone(whole), 0), "1 bytes after the last event"},
	} {
		dec, got := NewEventDecoder(enc.Types()), 0
		err := dec.Decode(tc.data, 1, func(*wire.Event) { got++ })
		switch {
		case tc.words == "":
			if err != nil || got != 1 {
				t.Errorf("%s: %d events, %v", name, got, err)
			}
		case !errors.Is(err, wire.ProtocolError) || err.Error() != tc.words || got > 0:
			t.Errorf("%s: %d events, %v; want %q", name, got, err, tc.words)
		}
	}
}

// heapOf returns how many bytes of heap are in use after make that were not before.
func heapOf(make func() (keep any)) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	keep := make()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}

// TestDefinitionsHeld: whatever definitions a stream has, the reader keeps those
// within its bounds in memory, or a single one that is longer, and the runs of the
// packages that it keeps. A single one has a bound as well.
func TestDefinitionsHeld(t *testing.T) {
	holdDefinitions(t, DefinitionBounds{}, 4<<20, 20_000)
	holdDefinitions(t, MostDefinitions(), 80<<20, 300_000)
}

// holdDefinitions writes definitions that take as much memory as they can at a reader.
func holdDefinitions(t *testing.T, keeps DefinitionBounds, most, many int) {
	enc := NewEventEncoder()
	run := func(name string) (*Definition, []byte) {
		d := enc.defineRun(&wire.Event{Data: wire.TransferData{Initialize: &wire.InitializeData{Name: name}}})
		return d, d.bytes
	}
	pack := func(of *Definition) []byte {
		return enc.definePackage(&wire.Event{Data: wire.TransferData{Header: &wire.PackageHeader{Number: 1, TargetFilePath: "p"}, Body: &wire.PackageBody{}}}, of).bytes
	}
	event := func(of *Definition, item string) []byte {
		return bytes.Clone(enc.encodeEvent(&wire.Event{Data: wire.TransferData{Body: &wire.PackageBody{Item: item}}}, of.number))
	}
	var runs []*Definition
	for name, write := range map[string]func(n int) []byte{ // definitions, and one event
		"a megabyte each": func(int) []byte {
			def, data := run(strings.Repeat("r", maxDefinition-100))
			return append(data, event(def, "")...)
		},
		"a package that keeps its forgotten run": func(int) []byte {
			def, data := run(strings.Repeat("r", maxDefinition-100))
			pack := pack(def)
			return slices.Concat(data, pack, event(&Definition{number: enc.number}, ""))
		},
		"as small as can be": func(n int) []byte {
			def, data := run(strconv.Itoa(n))
			return slices.Concat(data, pack(def), event(&Definition{number: enc.number}, ""))
		},
		"packages of runs that are forgotten": func(n int) []byte {
			if most := int(keeps.orDefault().Number); n%(2*most) < most {
				text := func(i int) string { return fmt.Sprintf("%d%016d", i, n) }
				d := enc.defineRun(&wire.Event{Data: wire.TransferData{Initialize: &wire.InitializeData{Name: text(1), SourcePath: text(2), DestinationPath: text(3), DestinationRoot: text(4)}}})
				if n == 0 {
					runs = nil
				}
				runs = append(runs, d)
				return append(d.bytes, event(d, "")...)
			}
			d := runs[0]
			runs = runs[1:]
			return slices.Concat(pack(d), event(&Definition{number: enc.number}, ""))
		},
		"names that share memory with what is thrown away": func(n int) []byte {
			def, data := run(strconv.Itoa(n))
			return append(data, event(def, fmt.Sprintf("%0490d", n))...)
		},
	} {
		writes := 20
		if len(write(0)) < 10_000 {
			writes = many
		}
		var dec *EventDecoder
		held := heapOf(func() any {
			dec = NewEventDecoder(enc.Types())
			dec.KeepDefinitions(keeps)
			for n := range writes {
				if err := dec.Decode(write(n), 1, func(*wire.Event) {}); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			return dec
		})
		t.Logf("%s: %d bytes", name, held)
		if k, b := &dec.defs, keeps.orDefault(); held > most || len(k.byNumber) > int(b.Number) || k.count.bytes > max(maxDefinition, int(b.Bytes)) {
			t.Errorf("%s: %d bytes are held, at most %d, of %d definitions, %+v", name, held, most, len(k.byNumber), k.count)
		}
	}
	def, data := run(strings.Repeat("r", maxDefinition))
	err := NewEventDecoder(enc.Types()).Decode(append(data, event(def, "")...), 1, func(*wire.Event) {})
	if !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), "a definition of") {
		t.Errorf("a megabyte and some: %v", err)
	}
}

// TestEventTypes: the types of a stream of events are definitions, and nothing
// else.
func TestEventTypes(t *testing.T) {
	enc := NewEventEncoder()
	value := encoded(t, enc, wire.Event{})
	for words, types := range map[string][]byte{
		"a gob value among definitions":                 append(slices.Clone(enc.Types()), value...),
		"more than 32768 bytes of gob type definitions": append(slices.Clone(enc.Types()), make([]byte, 32<<10)...),
		"a gob type that is already defined":            slices.Concat(enc.Types(), enc.Types()),
		"a gob value of a type that is not defined":     nil,
		"a gob message that is cut off":                 enc.Types()[:len(enc.Types())-1],
	} {
		dec := NewEventDecoder(types)
		for range 2 {
			if err := dec.Decode(value, 1, func(*wire.Event) {}); !errors.Is(err, wire.ProtocolError) || !strings.Contains(err.Error(), words) {
				t.Errorf("%v; want %q", err, words)
			}
		}
	}
	if err := NewEventDecoder(enc.Types()).Decode(value, 1, func(*wire.Event) {}); err != nil {
		t.Errorf("after those: %v", err)
	}
}

// BenchmarkDecode is a batch of a hundred events to a handler, as it comes.
func BenchmarkDecode(b *testing.B) {
	types, data := benchBatch()
	dec := NewEventDecoder(types)
	b.ReportAllocs()
	for b.Loop() {
		if err := dec.Decode(data, 100, func(*wire.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
}

// benchBatch returns the types and a hundred Transferring events of a package.
func benchBatch() (types, data []byte) {
	enc, common, known := NewEventEncoder(), new(RunDefs), new(SentDefs)
	for i := range 100 {
		ev := fullEvent()
		ev.Seq = uint64(1000 + i)
		ev.Data.Status.Log = nil
		def, event, err := enc.Encode(&ev, common, 1<<20)
		if err != nil {
			panic(err)
		}
		data = append(known.Append(data, def), event...)
	}
	return enc.Types(), data
}
