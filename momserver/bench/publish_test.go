//go:build unix

package bench_test

import (
	"encoding/gob"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/momserver"
	"mom.internal/wire"
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

// BenchmarkOpenPackages compares the cost of an event of a package while very
// many packages of its run are open with the cost while one is.
func BenchmarkOpenPackages(b *testing.B) {
	srv := momserver.New(momserver.Config{ProgressInterval: 1})
	defer srv.Close()
	// start starts a run of as many packages as open says, and returns what one event of
	// each costs.
	start := func(open int) func() time.Duration {
		j, err := srv.StartJob(uuid.New(), wire.InitializeData{Name: "job"})
		if err != nil {
			b.Fatal(err)
		}
		packages := make([]*momserver.Package, open)
		for i := range packages {
			if packages[i], err = j.StartPackage(wire.PackageHeader{FileSize: 1 << 40}, wire.PackageBody{}); err != nil {
				b.Fatal(err)
			}
		}
		return func() time.Duration {
			began := time.Now()
			for i := range 20_000 {
				packages[i%open].Received(1)
			}
			return time.Since(began) / 20_000
		}
	}
	one, many := start(1), start(20_000)
	var ones, manys []time.Duration
	for b.Loop() {
		ones, manys = append(ones, one()), append(manys, many())
	}
	o, m := middle(ones), middle(manys)
	b.ReportMetric(float64(m), "event-ns")
	b.ReportMetric(float64(m)/float64(o), "ratio")
}

// BenchmarkMoved measures bytes that are counted and that nobody is told of,
// because ProgressInterval has not passed.
func BenchmarkMoved(b *testing.B) {
	srv := momserver.New(momserver.Config{ProgressInterval: time.Hour})
	defer srv.Close()
	j, err := srv.StartJob(uuid.New(), wire.InitializeData{Name: "job"})
	if err != nil {
		b.Fatal(err)
	}
	p, err := j.StartPackage(wire.PackageHeader{FileSize: 1 << 60}, wire.PackageBody{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Moved(1)
	}
}

// middle returns the median.
func middle(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
