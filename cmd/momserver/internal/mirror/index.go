package mirror

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// The index is what a mirror remembers between its runs, in this process and in
// a file in Options.State. If it is missing, no file is lost; the next run compares
// by size, time and mode alone.

// record is what is remembered of an entry of the source.
type record struct {
	inode   uint64
	changed stamp // the time of its last change when it was read
	kept    *kept // nil if the destination keeps everything of it
	spelled string
	run     uint32 // the last run that has seen the entry
}

// kept is how the destination keeps the attributes of an entry.
type kept struct {
	want attributes
	got  attributes // zero if the destination keeps no such entry at all
}

// known reports whether the file was read before, so that another file in its place
// is noticed.
func (r record) known() bool { return r.changed != stamp{} }

// keeps reports whether info, of the destination, has the mode and the time of e,
// as far as the destination keeps them.
func (r record) keeps(e entry, info fs.FileInfo) bool {
	want, got := wanted(e.info), attributesOf(info)
	return want == got || r.kept != nil && *r.kept == kept{want, got}
}

// lacks reports whether the destination cannot keep the entry, such as a link.
func (r record) lacks(e entry) bool {
	return r.kept != nil && r.kept.got == attributes{} && r.kept.want == wanted(e.info)
}

// place identifies a directory, so that another one in its place is noticed.
type place struct{ device, inode uint64 }

// index is not safe for concurrent use.
type index struct {
	records map[string]record
	mounts  map[string]uint64 // as of the last run; see plan
	boot    string            // the boot of the system during which mounts were recorded
	told    told
	place   place  // of the destination
	changed bool   // since it was read or written
	run     uint32 // counts the runs of this process
}

func (x *index) of(p string) record { return x.records[p] }

func (x *index) put(p string, rec record) {
	rec.run = x.run
	before := x.records[p]
	x.records[p] = rec
	if before.kept != nil && rec.kept != nil && *before.kept == *rec.kept {
		before.kept = rec.kept
	}
	before.run = rec.run
	x.changed = x.changed || before != rec
}

// keep keeps what is remembered of an entry, if anything is.
func (x *index) keep(p string) {
	if rec, is := x.records[p]; is {
		x.put(p, rec)
	}
}

// begin begins a run.
func (x *index) begin() {
	x.run++
}

// forget forgets the entries that the run has not seen.
func (x *index) forget() {
	for p, rec := range x.records {
		if rec.run != x.run {
			delete(x.records, p)
			x.changed = true
		}
	}
}

// indexMagic is the beginning of the file. Its last byte is the version.
var indexMagic = []byte("momspool\x01")

// maxIndex bounds the bytes of an index that are read.
const maxIndex = 1 << 30

// encode returns the content of the file, which ends with a checksum.
func (x *index) encode() []byte {
	b := bytes.Clone(indexMagic)
	b = appendString(b, x.boot)
	b = binary.AppendUvarint(b, uint64(x.told))
	b = binary.AppendUvarint(binary.AppendUvarint(b, x.place.device), x.place.inode)
	b = binary.AppendUvarint(b, uint64(len(x.mounts)))
	for p, device := range x.mounts {
		b = binary.AppendUvarint(appendString(b, p), device)
	}
	b = binary.AppendUvarint(b, uint64(len(x.records)))
	for p, rec := range x.records {
		b = appendString(b, p)
		b = binary.AppendUvarint(b, rec.inode)
		b = rec.changed.append(b)
		b = appendString(b, rec.spelled)
		if rec.kept == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		for _, a := range []attributes{rec.kept.want, rec.kept.got} {
			b = a.time.append(binary.AppendUvarint(b, uint64(a.mode)))
		}
	}
	return withChecksum(b)
}

func withChecksum(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (s stamp) append(b []byte) []byte {
	return binary.AppendVarint(binary.AppendVarint(b, s.sec), s.nsec)
}

var errIndex = errors.New("it is damaged")

// decode reads the content of the file.
func (x *index) decode(b []byte) error {
	end := len(b) - crc32.Size
	if end < len(indexMagic) || !bytes.HasPrefix(b, indexMagic) || crc32.ChecksumIEEE(b[:end]) != binary.LittleEndian.Uint32(b[end:]) {
		return errIndex
	}
	d := decoder{b: b[len(indexMagic):end]}
	x.boot = d.text()
	x.told = told(d.number())
	x.place = place{d.number(), d.number()}
	x.mounts = make(map[string]uint64)
	for n := d.number(); n > 0 && !d.bad; n-- {
		p := d.text()
		x.mounts[p] = d.number()
	}
	n := d.number()
	x.records = make(map[string]record, min(n, uint64(len(d.b)/8))) // a record has at least 8 bytes
	for ; n > 0 && !d.bad; n-- {
		p := d.text()
		rec := record{inode: d.number(), changed: d.stamp(), spelled: d.text()}
		if d.number() != 0 {
			rec.kept = &kept{d.attributes(), d.attributes()}
		}
		x.records[p] = rec
	}
	if d.bad {
		return errIndex
	}
	return nil
}

// decoder reads the parts of an index. After a part that is cut off, it returns
// only zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	return next(d, v, n)
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.b)
	return next(d, v, n)
}

func next[T any](d *decoder, v T, n int) T {
	if n <= 0 {
		d.bad = true
		return *new(T)
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) stamp() stamp { return stamp{d.signed(), d.signed()} }

func (d *decoder) attributes() attributes {
	return attributes{fs.FileMode(d.number()), d.stamp()}
}

// settleIn records in the index which directory the destination is. If it is
// another directory than before, the links that the file system did not keep are
// tried again.
func (x *index) settleIn(at place) {
	if x.place == at {
		return
	}
	for p, rec := range x.records {
		if rec.kept != nil && rec.kept.got == (attributes{}) {
			delete(x.records, p)
		}
	}
	x.place, x.told, x.changed = at, 0, true
}

func (m *Mirror) indexFile() string { return filepath.Join(m.opts.State, m.id.String()+".index") }

// readIndex reads the index, once in the life of the process. An index that cannot
// be read counts as empty.
func (m *Mirror) readIndex() {
	if m.index.records != nil {
		return
	}
	m.index.records = make(map[string]record)
	if m.opts.State == "" {
		return
	}
	info, err := os.Lstat(m.indexFile())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var b []byte
	if err == nil && info.Mode().IsRegular() && info.Size() <= maxIndex {
		b, err = os.ReadFile(m.indexFile())
	}
	var x index
	if err == nil {
		err = x.decode(b)
	}
	if err != nil {
		m.log.Warn("cannot use what was remembered of earlier runs; this run compares by size, time and mode", "job", m.name, "file", m.indexFile(), "error", plain(err))
		return
	}
	m.index = x
}

// writeIndex writes the index to a temporary file and renames that, if the index
// has changed.
func (r *run) writeIndex() {
	m := r.m
	if !m.index.changed || m.opts.State == "" || m.opts.DryRun != nil {
		return
	}
	err := os.MkdirAll(m.opts.State, 0o700)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(m.opts.State, m.id.String()+"-*")
	}
	if err == nil {
		_, err = f.Write(m.index.encode())
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Rename(f.Name(), m.indexFile())
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		if !m.unwritten {
			m.log.Warn("cannot remember this run for the next start, when what the destination does not keep may be copied again; set STATE_DIRECTORY or XDG_CACHE_HOME to a directory", "job", m.name, "error", err)
		}
		m.unwritten = true
		return
	}
	m.index.changed = false
}

// bootID returns an identifier of this boot of the system, or "" if there is none.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(id))
}
