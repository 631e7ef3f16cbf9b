package history

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
	"mom.internal/wire/protocol"
)

// definitions returns n definitions.
func definitions(t *testing.T, n int) []*protocol.Definition {
	t.Helper()
	enc, defs := protocol.NewEventEncoder(), make([]*protocol.Definition, n)
	for i := range defs {
		ev := spoken(uuid.New(), wire.Transferring)
		var err error
		if defs[i], _, err = enc.Encode(&ev, new(protocol.RunDefs), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	return defs
}

// TestMarks: metas come back from the cache as they were put in: each class, the definition, and the time in seconds, up to its largest
// value.
func TestMarks(t *testing.T) {
	defs := definitions(t, segmentEvents)
	c := newCache()
	var want []meta
	at := time.Duration(0)
	for _, state := range wire.States() {
		for severity := wire.SeverityProcessing; severity <= wire.SeverityError; severity++ {
			for outcome := range wire.Cancelled + 1 {
				want = append(want, meta{def: defs[len(want)%len(defs)], Class: Class{state, severity, outcome}, at: at})
				at += 1500 * time.Millisecond
			}
		}
	}
	last := want[len(want)-1]
	last.at += 30 * time.Hour
	want = append(want, last)
	for i, m := range want {
		data := bytes.Repeat([]byte{byte(i)}, i%7+1)
		e := c.append(m, data)
		if e.meta != m || e.seq != uint64(i+1) || !bytes.Equal(e.data, data) {
			t.Fatalf("event %d is %+v; want %+v", i+1, e, m)
		}
	}
	for i, m := range want {
		began := want[i/segmentEvents*segmentEvents].at
		m.at = began + min((m.at-began).Truncate(time.Second), math.MaxUint16*time.Second)
		if e := c.at(uint64(i + 1)); e.meta != m || !bytes.Equal(e.data, bytes.Repeat([]byte{byte(i)}, i%7+1)) {
			t.Errorf("event %d is %+v; want %+v", i+1, e, m)
		}
	}
}

// TestCacheCounts: the cache counts what it holds over several segments, and
// frees the segments that are empty.
func TestCacheCounts(t *testing.T) {
	def := definitions(t, 1)[0]
	ofDef := def.Retain()
	def.Release()
	c := newCache()
	if c.len() != 0 || c.bytes != 0 {
		t.Errorf("empty: %d events, %d bytes", c.len(), c.bytes)
	}
	const held = segmentEvents + 5
	for i := range 10 * segmentEvents {
		c.append(meta{def: def}, make([]byte, 10))
		if c.len() > held {
			c.dropOldest()
		}
		n := min(i+1, held)
		if c.len() != n || c.bytes != 10*n+ofDef || c.head != uint64(i+1) || c.oldest != uint64(i+2-n) || len(c.segments) > 3 {
			t.Fatalf("after event %d: %d events of %d bytes from %d to %d in %d segments; want %d", i+1, c.len(), c.bytes, c.oldest, c.head, len(c.segments), n)
		}
	}
	for c.len() > 0 {
		c.dropOldest()
	}
	if e := c.append(meta{def: def}, []byte("x")); c.len() != 1 || c.bytes != 1+ofDef || e.seq != 10*segmentEvents+1 {
		t.Errorf("emptied and filled: %d events of %d bytes, the last is %d", c.len(), c.bytes, e.seq)
	}
}

// TestPassed returns each event once, a segment's length after it has left the
// cache.
func TestPassed(t *testing.T) {
	defs := definitions(t, 5*segmentEvents)
	c := newCache()
	for _, def := range defs {
		c.append(meta{def: def}, []byte("x"))
	}
	next := uint64(1)
	for c.len() > 0 {
		def, seq := c.lagging()
		if c.oldest <= segmentEvents {
			if def != nil {
				t.Fatalf("the oldest is %d: %d has passed", c.oldest, seq)
			}
		} else if seq != next || seq != c.oldest-segmentEvents || def != defs[seq-1] {
			t.Fatalf("the oldest is %d: %d has passed; want %d", c.oldest, seq, next)
		} else {
			next++
		}
		c.dropOldest()
	}
}
