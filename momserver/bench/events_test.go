//go:build unix

package bench_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// events_test.go makes the events of the benchmarks.

// sample is the event of the benchmarks: a package's Transferring event, with
// all its parts filled as the mirroring server fills them.
var sample = wire.Event{
	JobID: uuid.MustParse("9e91c73e-222f-59ae-9743-a04f620a3a25"),
	RunID: uuid.MustParse("3bb33a71-0d88-400f-9637-224af7d32cc3"),
	Data: wire.TransferData{
		Initialize: &wire.InitializeData{
			Name: "www.example.org to staging", SourcePath: "/srv/www/www.example.org", DestinationPath: "/mnt/mirror/staging",
			DestinationRoot: "/mnt/mirror", LastExecution: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC),
			FilesInPackages: 11478, PagesInPackages: 2210, Packages: 321, Bytes: 137304576,
		},
		Header: &wire.PackageHeader{Number: 17, FileSize: 8388608, TargetFilePath: "/mnt/mirror/staging/.momspool-5f3a90c1/package-0017.tar"},
		Body:   &wire.PackageBody{Pages: 11, Files: 40},
		Status: wire.Status{State: wire.Transferring},
		Progress: wire.Progress{
			PackagesDone: 16, PackagesTotal: 321, FilesDone: 640, FilesTotal: 11478, BytesTotal: 137304576, Warnings: 3,
		},
	},
}

// items are what moves, in turn.
var items = func() (all [64]string) {
	for i := range all {
		all[i] = fmt.Sprintf("news/2026/%02d/the-harbour-in-winter-%d.html", i%12+1, i)
	}
	return all
}()

// Interleaved is how many packages take turns in the events, and how many runs take
// turns in the packages. Zero counts as one.
type Interleaved struct{ Packages, Runs int }

// of returns the package and the run of an event.
func (in Interleaved) of(seq uint64) (pack, run int) {
	pack = int(seq % uint64(max(1, in.Packages)))
	return pack, pack % max(1, in.Runs)
}

// ofRun returns the JobID or RunID of a run, each of which is of a job of its own; id is
// that of the first.
func ofRun(id uuid.UUID, run int) uuid.UUID {
	id[0], id[1] = id[0]+byte(run>>8), id[1]+byte(run)
	return id
}

// targets are the files of the first packages, which later packages use again.
var targets = func() (all [1000]string) {
	all[0] = sample.Data.Header.TargetFilePath
	for i := 1; i < len(all); i++ {
		all[i] = fmt.Sprintf("/mnt/mirror/staging/.momspool-5f3a90c1/package-%04d.tar", 17+i)
	}
	return all
}()

// maker makes events that differ as those of transfers do.
type maker struct {
	Interleaved
	header wire.PackageHeader
	body   wire.PackageBody
}

// event makes the event seq. It is valid until the next call.
func (m *maker) event(seq uint64) wire.Event {
	e := sample
	pack, run := m.of(seq)
	e.JobID, e.RunID = ofRun(sample.JobID, run), ofRun(sample.RunID, run)
	m.header, m.body = *e.Data.Header, *e.Data.Body
	m.header.Number += pack
	m.header.TargetFilePath = targets[pack%len(targets)]
	m.header.SizeOfSentData, m.header.SizeOfReceivedData = int64(seq)<<10, int64(seq)<<10
	m.body.Item = items[seq%uint64(len(items))]
	e.Data.Header, e.Data.Body = &m.header, &m.body
	e.Data.Progress.BytesDone = int64(seq) << 10
	e.Seq = seq
	e.Data.Status.SentTime = time.Now().UTC()
	e.Data.Status.ReceivedTime = e.Data.Status.SentTime
	return e
}

// asPublished reports whether an event has come as maker made it.
func (in Interleaved) asPublished(e *wire.Event) bool {
	i, h, b, p := e.Data.Initialize, e.Data.Header, e.Data.Body, &e.Data.Progress
	pack, run := in.of(e.Seq)
	return i != nil && h != nil && b != nil && e.RunID == ofRun(sample.RunID, run) && e.Data.Status.State == wire.Transferring &&
		i.Name == sample.Data.Initialize.Name && i.Bytes == sample.Data.Initialize.Bytes &&
		h.SizeOfReceivedData == int64(e.Seq)<<10 && h.TargetFilePath == targets[pack%len(targets)] &&
		b.Item == items[e.Seq%uint64(len(items))] && p.BytesDone == int64(e.Seq)<<10 && p.PackagesTotal == 321
}
