//go:build unix

package momserver_test

import (
	"encoding/gob"
	"io"
	"slices"
	"testing"
	"time"

	"mom.internal/momserver"
)

// BenchmarkPublish is what Publish costs its caller, beside the least that it
// could cost: encoding the event by a persistent gob encoder. Both are timed
// call by call, in turn, and the medians compared.
func BenchmarkPublish(b *testing.B) {
	srv := momserver.New(momserver.Config{})
	defer srv.Close()
	enc := gob.NewEncoder(io.Discard)
	var m maker
	var publish, encode []time.Duration
	seq := uint64(0)
	for b.Loop() {
		for range 20_000 {
			seq++
			e := m.event(seq)
			start := time.Now()
			err := srv.Publish(e)
			publish = append(publish, time.Since(start))
			if err != nil {
				b.Fatal(err)
			}
			start = time.Now()
			err = enc.Encode(&e)
			encode = append(encode, time.Since(start))
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	p, g := middle(publish), middle(encode)
	b.ReportMetric(float64(p), "publish-ns")
	b.ReportMetric(float64(g), "gob-ns")
	b.ReportMetric(float64(p)/float64(g), "ratio")
}

// middle returns the median.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
