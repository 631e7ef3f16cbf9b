package protocol

import (
	"bytes"
	stdgob "encoding/gob"
	"reflect"
	"testing"
	"time"

	"mom.internal/wire/wiretest/attack"
)

// TestEventRecordAsGob: whatever fields an event has, encoding/gob reads a record from
// its bytes, and writes the same bytes for that record. Between them, the events set
// each field that a record of an event has.
func TestEventRecordAsGob(t *testing.T) {
	rng := attack.Random(t)
	var in, out bytes.Buffer
	enc, dec, std := NewEventEncoder(), stdgob.NewDecoder(&in), stdgob.NewEncoder(&out)
	in.Write(enc.Types())
	std.Encode(new(record))
	var numbers [recordFields]bool // of which one was not zero
	for range 300 {
		ev := randomEvent(rng)
		if v := reflect.ValueOf(&ev.Data.Progress).Elem(); rng.IntN(2) == 0 {
			v.Field(rng.IntN(v.NumField())).SetZero()
			ev.Data.Status.Log, ev.Data.Status.Final, ev.Data.Body = nil, false, nil
		}
		ev.Data.Status.SentTime = time.Unix(0, rng.Int64()-rng.Int64())
		data := enc.encodeEvent(&ev, 7)
		in.Write(data)
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if std.Encode(&r); !bytes.Equal(data, out.Bytes()) {
			t.Fatalf("%+v\nwritten % x\ngob     % x", r, data, out.Bytes())
		}
		for i := range numbers {
			numbers[i] = numbers[i] || !reflect.ValueOf(r).Field(i).IsZero()
		}
	}
	for i, set := range numbers {
		if name := reflect.TypeFor[record]().Field(i).Name; !set && name != "Run" && name != "Package" {
			t.Errorf("%s is never written", name)
		}
	}
	if n := reflect.TypeFor[record]().NumField(); n != recordFields {
		t.Errorf("a record has %d fields, and recordFields is %d", n, recordFields)
	}
}

// TestNanos carries the times of the years that fit, and no other.
func TestNanos(t *testing.T) {
	first, last := time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2261, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	for _, at := range []time.Time{first, last, time.Unix(0, 1).UTC(), time.Unix(0, -1).UTC(), {}} {
		if got := fromNanos(nanos(at)); got != at {
			t.Errorf("%v becomes %v", at, got)
		}
	}
	for _, at := range []time.Time{first.Add(-1), last.Add(1), time.Unix(0, 0)} {
		if n := nanos(at); n != 0 {
			t.Errorf("%v becomes %d", at, n)
		}
	}
	east := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	if got := fromNanos(nanos(east)); got != east.UTC() {
		t.Errorf("%v becomes %v", east, got)
	}
}
