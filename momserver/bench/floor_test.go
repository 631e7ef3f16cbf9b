//go:build unix

package bench_test

import (
	"bufio"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"mom.internal/wire"
)

// floor_test.go encodes an event by hand: its length, and then every field of the
// event, as a varint, as raw bytes, or as a length and raw bytes. There is no schema.
// The event of the benchmarks has about 310 bytes, of which 178 are texts.

// appendFloor appends an event of a package.
func appendFloor(dst []byte, e *wire.Event) []byte {
	text := func(s string) { dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...) }
	number := func(n int) { dst = binary.AppendVarint(dst, int64(n)) }
	at := func(t time.Time) { dst = binary.LittleEndian.AppendUint64(dst, uint64(t.UnixNano())) }
	flag := func(b bool) {
		if dst = append(dst, 0); b {
			dst[len(dst)-1] = 1
		}
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	i, h, b, s, p := e.Data.Initialize, e.Data.Header, e.Data.Body, &e.Data.Status, &e.Data.Progress
	dst = binary.AppendUvarint(dst, e.Seq)
	dst = append(append(dst, e.JobID[:]...), e.RunID[:]...)
	if dst = append(dst, 0); i.DestinationPageGUID != uuid.Nil {
		dst[len(dst)-1] = 1
		dst = append(dst, i.DestinationPageGUID[:]...)
	}
	text(i.Name)
	text(i.SourcePath)
	text(i.DestinationPath)
	text(i.DestinationRoot)
	at(i.LastExecution)
	number(i.FilesInPackages)
	number(i.PagesInPackages)
	number(i.Packages)
	number(int(i.Bytes))
	flag(i.ContinueOnError)
	flag(i.DryRun)
	number(h.Number)
	number(int(h.FileSize))
	text(h.TargetFilePath)
	number(int(h.SizeOfSentData))
	number(int(h.SizeOfReceivedData))
	number(b.Pages)
	number(b.Files)
	text(b.Item)
	dst = append(dst, byte(s.State), byte(s.Outcome))
	flag(s.Final)
	at(s.SentTime)
	at(s.ReceivedTime)
	number(len(s.Log))
	for _, n := range [...]int{
		p.PackagesDone, p.PackagesFailed, p.PackagesTotal, p.FilesDone, p.FilesTotal, int(p.BytesDone), int(p.BytesTotal),
		p.OpenThousandths, p.FilesSkipped, p.FilesDeleted, p.FilesChecked, p.Retries, p.Warnings, p.Errors,
	} {
		number(n)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// floorReader reads events into the same structs. The strings are new ones.
type floorReader struct {
	b     []byte
	event wire.Event
	init  wire.InitializeData
	head  wire.PackageHeader
	body  wire.PackageBody
}

func (r *floorReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *floorReader) int() int {
	v, n := binary.Varint(r.b)
	r.b = r.b[n:]
	return int(v)
}

func (r *floorReader) text() string {
	n := r.uint()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *floorReader) at() time.Time {
	t := time.Unix(0, int64(binary.LittleEndian.Uint64(r.b))).UTC()
	r.b = r.b[8:]
	return t
}

func (r *floorReader) byte() byte {
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *floorReader) id() (id uuid.UUID) {
	r.b = r.b[copy(id[:], r.b):]
	return id
}

// readFloor reads events, and calls see with each, until the connection ends.
func readFloor(in *bufio.Reader, see func(*wire.Event)) {
	r := new(floorReader)
	for {
		head, err := in.Peek(4)
		if err != nil {
			return
		}
		size := int(binary.LittleEndian.Uint32(head))
		in.Discard(4)
		data, err := in.Peek(size)
		if err != nil {
			return
		}
		r.b = data
		r.read()
		in.Discard(size)
		see(&r.event)
	}
}

// read reads one event.
func (r *floorReader) read() {
	e, i, h, b := &r.event, &r.init, &r.head, &r.body
	s, p := &e.Data.Status, &e.Data.Progress
	e.Data.Initialize, e.Data.Header, e.Data.Body = i, h, b
	e.Seq = r.uint()
	if e.JobID, e.RunID = r.id(), r.id(); r.byte() != 0 {
		i.DestinationPageGUID = r.id()
	}
	i.Name, i.SourcePath, i.DestinationPath, i.DestinationRoot = r.text(), r.text(), r.text(), r.text()
	i.LastExecution = r.at()
	i.FilesInPackages, i.PagesInPackages, i.Packages, i.Bytes = r.int(), r.int(), r.int(), int64(r.int())
	i.ContinueOnError, i.DryRun = r.byte() != 0, r.byte() != 0
	h.Number, h.FileSize, h.TargetFilePath = r.int(), int64(r.int()), r.text()
	h.SizeOfSentData, h.SizeOfReceivedData = int64(r.int()), int64(r.int())
	b.Pages, b.Files, b.Item = r.int(), r.int(), r.text()
	s.State, s.Outcome, s.Final = wire.State(r.byte()), wire.Outcome(r.byte()), r.byte() != 0
	s.SentTime, s.ReceivedTime = r.at(), r.at()
	r.int() // the log has no entries
	p.PackagesDone, p.PackagesFailed, p.PackagesTotal, p.FilesDone, p.FilesTotal = r.int(), r.int(), r.int(), r.int(), r.int()
	p.BytesDone, p.BytesTotal = int64(r.int()), int64(r.int())
	p.OpenThousandths, p.FilesSkipped, p.FilesDeleted, p.FilesChecked, p.Retries = r.int(), r.int(), r.int(), r.int(), r.int()
	p.Warnings, p.Errors = r.int(), r.int()
}
