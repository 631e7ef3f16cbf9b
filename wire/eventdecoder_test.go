package wire

import (
	"errors"
	"strings"
	"testing"
)

// withLog returns an event with n log entries in bytes, which Encode would
// refuse for more than MaxLogEntries.
func withLog(enc *EventEncoder, n int) []byte {
	ev := Event{Seq: 1, Data: TransferData{Status: Status{Log: make([]LogEntry, n)}}}
	data := enc.defineRun(&ev).bytes
	enc.record.set(&ev, enc.number)
	return append(data, enc.encode()...)
}

// TestDecodeLog takes a log of MaxLogEntries, and refuses a longer one before it
// makes room for it.
func TestDecodeLog(t *testing.T) {
	enc := NewEventEncoder()
	if got := decoded(t, NewEventDecoder(enc.Types()), withLog(enc, MaxLogEntries), 1); len(got[0].Data.Status.Log) != MaxLogEntries {
		t.Errorf("%d entries became %d", MaxLogEntries, len(got[0].Data.Status.Log))
	}
	for n, words := range map[int]string{
		MaxLogEntries + 1:             "an event with 1025 log entries; at most 1024",
		defaultGobBounds.Elements:     "an event with 4096 log entries; at most 1024",
		defaultGobBounds.Elements + 1: "more than 4096 elements",
	} {
		dec, data := NewEventDecoder(enc.Types()), withLog(enc, n)
		before := allocated()
		err := dec.Decode(data, 1, func(*Event) {})
		if cost := allocated() - before; !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), words) || cost > 16<<10 {
			t.Errorf("%d entries: %v, with %d bytes allocated", n, err, cost)
		}
	}
}
