package history

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// BenchmarkCache is what an event costs to publish, and to read for a subscriber
// that follows, with caches of three sizes that are full; and what the cache
// takes, beside the bytes of the encoded events.
func BenchmarkCache(b *testing.B) {
	for _, size := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("events=%d", size), func(b *testing.B) {
			h := withDefaults(Limits{Events: size, Bytes: 1 << 30})
			seq := 0
			publish := func() {
				if err := h.Publish(transferring(&seq), 0, false); err != nil {
					b.Fatal(err)
				}
			}
			publish()
			before := heapInUse() // with the encoder and all else that does not grow
			for range size + segmentEvents {
				publish()
			}
			taken := heapInUse() - before
			const round = 50_000
			var publishing, reading time.Duration
			rounds := 0
			at, err := h.Begin(wire.FromNow, wire.Cursor{}, false)
			if err != nil {
				b.Fatal(err)
			}
			r, buf := new(Reader), make([]byte, 0, 64<<10)
			for b.Loop() {
				rounds++
				for range round / 8 {
					start := time.Now()
					for range 8 {
						publish()
					}
					middle := time.Now()
					if _, n := h.Read(&at, r, portionOf(100, 64<<10), buf[:0]); n != 8 {
						b.Fatalf("%d events read", n)
					}
					publishing += middle.Sub(start)
					reading += time.Since(middle)
				}
			}
			per := float64(rounds * round)
			b.ReportMetric(float64(publishing)/per, "publish-ns")
			b.ReportMetric(float64(reading)/per, "read-ns")
			b.ReportMetric(float64(taken)/float64(h.cache.bytes), "bytes/encoded")
			runtime.KeepAlive(h)
		})
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// transferring returns the next Transferring event of a package.
func transferring(seq *int) *wire.Event {
	*seq++
	at := time.Unix(1_700_000_000, int64(*seq)).UTC()
	return &wire.Event{
		JobID: uuid.NameSpaceDNS, RunID: uuid.NameSpaceOID,
		Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: "www.example.org to staging", SourcePath: "/srv/www", DestinationPath: "/mnt/staging", Packages: 321, Bytes: 1 << 30},
			Header:     &wire.PackageHeader{Number: 17, FileSize: 1 << 23, TargetFilePath: "/mnt/staging/package-0017.tar", SizeOfSentData: int64(*seq) << 10, SizeOfReceivedData: int64(*seq) << 10},
			Body:       &wire.PackageBody{Pages: 11, Files: 40, Item: fmt.Sprintf("news/2026/%02d/the-harbour-in-winter-%d.html", *seq%12+1, *seq%64)},
			Status:     wire.Status{State: wire.Transferring, SentTime: at, ReceivedTime: at},
			Progress:   wire.Progress{PackagesDone: 16, PackagesTotal: 321, FilesDone: 640, FilesTotal: 11478, BytesDone: int64(*seq) << 10, BytesTotal: 1 << 30, Warnings: 3},
		},
	}
}
