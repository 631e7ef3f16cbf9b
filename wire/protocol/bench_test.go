package protocol

import (
	"testing"

	"mom.internal/wire"
)

// BenchmarkEvent encodes and decodes an event of a package.
func BenchmarkEvent(b *testing.B) {
	ev := fullEvent()
	ev.Data.Status.Log, ev.Data.Status.Final, ev.Data.Status.Outcome = nil, false, 0
	ev.Data.Header.SizeOfSentData, ev.Data.Progress.BytesDone = 1<<40, 1<<40
	enc, common := NewEventEncoder(), new(RunDefs)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := enc.Encode(&ev, common, 1<<20); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		var sent SentDefs
		var data []byte
		const count = 100
		for range count {
			def, record, _ := enc.Encode(&ev, common, 1<<20)
			data = append(sent.Append(data, def), record...)
		}
		dec := NewEventDecoder(enc.Types())
		dec.Decode(data, count, func(*wire.Event) {})
		def, record, _ := enc.Encode(&ev, common, 1<<20)
		data = append(new(SentDefs).Append(nil, def), record...)
		for range count - 1 {
			data = append(data, record...)
		}
		for b.Loop() {
			if err := dec.Decode(data, count, func(*wire.Event) {}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/count, "ns/event")
	})
}
