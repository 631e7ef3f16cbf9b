package mirror

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"mom.internal/momserver"
)

// arrival is an entry that has arrived in the spool.
type arrival struct {
	entry *entry
	name  string // of the file in the spool; "" for a directory or a link
	size  int64
	rec   record
}

// errVanished reports that an entry is gone from the source. The entry is left out,
// which is no failure.
var errVanished = errors.New("it vanished during the run")

var (
	errReplaced = errors.New("it became something else during the run; left for the next run")
	errDamaged  = errors.New("other bytes arrived than were sent")
	errChanged  = errors.New("it changed while it was read")
)

// attempts is how many times a file is read if it changes while it is read. The
// last time, the bytes that were read are mirrored all the same.
const attempts = 4

// fetch brings an entry to the spool. It only checks that a directory or a link is
// still there.
func (r *run) fetch(ctx context.Context, p *momserver.Package, e *entry) (arrival, error) {
	if err := interrupted(ctx); err != nil {
		return arrival{}, err
	}
	p.Item(e.path)
	dir, name, err := r.source.of(e.path)
	if err != nil {
		return arrival{}, r.lost(e, err)
	}
	if e.info.Mode().IsRegular() {
		a, err := r.fetchFile(ctx, p, e, dir, name)
		return a, r.lost(e, err)
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return arrival{}, r.lost(e, err)
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err = dir.Readlink(name)
	}
	if err != nil || info.Mode().Type() != e.info.Mode().Type() || link != e.link {
		return arrival{}, errReplaced
	}
	return arrival{entry: e}, nil
}

// lost returns errVanished instead of err if the entry is gone.
func (r *run) lost(e *entry, err error) error {
	if err != nil && gone(r.source.top, e.path, err) {
		return errVanished
	}
	return err
}

// fetchFile copies a file into the spool, completely or not at all.
func (r *run) fetchFile(ctx context.Context, p *momserver.Package, e *entry, dir *os.Root, name string) (a arrival, err error) {
	a = arrival{entry: e, name: r.spool.next()}
	defer func() {
		if err != nil {
			r.spool.remove(a.name) // so that there is room for the others
		}
	}()
	for attempt := 1; ; attempt++ {
		done, err := r.fetchOnce(ctx, p, &a, dir, name, attempt == attempts)
		if done || err != nil {
			return a, r.roomFor(e, err)
		}
		p.Retry(a.size, e.path, errChanged)
		r.spool.remove(a.name)
	}
}

// tick is longer than the resolution of file times. A file that changed less than a
// tick ago may change again and keep its time. If it were read before that, no
// later run would notice the change.
const tick = 20 * time.Millisecond

// fetchOnce copies the file as it is now, with its mode and time. It reports
// whether that is done. If not, the file has changed during the copy or just
// before, and has to be read again.
func (r *run) fetchOnce(ctx context.Context, p *momserver.Package, a *arrival, dir *os.Root, name string, last bool) (done bool, err error) {
	a.size = 0
	in, before, err := r.openEntry(a.entry, dir, name)
	if err != nil {
		return false, err
	}
	defer in.Close()
	wait := waitFor(before)
	if wait > 0 {
		if err := pause(ctx, wait); err != nil {
			return false, err
		}
		if before, err = in.Stat(); err != nil {
			return false, err
		}
		wait = waitFor(before)
	}
	var sum digested
	a.size, sum, err = r.write(ctx, r.spool.root, a.name, in, before, p.Moved)
	if err != nil {
		return false, err
	}
	after, err := in.Stat()
	if err != nil {
		return false, err
	}
	whole := wait == 0 && a.size == before.Size() && a.size == after.Size() && after.ModTime().Equal(before.ModTime()) && changedAt(after) == changedAt(before)
	if !whole && !last {
		return false, nil
	}
	a.rec = record{inode: inodeOf(before), changed: changedAt(before)}
	if !whole {
		a.rec.changed = never // so that the next run compares its content
		r.warn(a.entry.path, fmt.Sprintf("it is being written to all the time: the %d bytes that were there are mirrored", a.size))
	}
	a.entry.info = before
	r.notKept(a.entry.path, in, before)
	return true, r.finish(ctx, r.spool.root, a, sum)
}

// write makes a file in a spool.
func (r *run) write(ctx context.Context, pool *os.Root, name string, in *os.File, info fs.FileInfo, moved func(int64)) (n int64, sum digested, err error) {
	out, err := pool.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, sum, &spoolError{err}
	}
	n, sum, err = r.copyData(ctx, out, in, info, moved)
	if cerr := out.Close(); cerr != nil && err == nil {
		err = &spoolError{cerr}
	}
	return n, sum, err
}

// finish reads back a file that was written, and sets its mode and time. The file
// was closed before, because some file systems store it only then.
func (r *run) finish(ctx context.Context, pool *os.Root, a *arrival, sum digested) error {
	f, err := pool.Open(a.name)
	if err != nil {
		return &spoolError{err}
	}
	defer f.Close()
	if err := r.verify(ctx, f, a.size, sum); err != nil {
		return err
	}
	return r.dress(f, a)
}

// openEntry opens a file of the source, but not the target of a link that has
// taken its place.
func (r *run) openEntry(e *entry, dir *os.Root, name string) (f *os.File, info fs.FileInfo, err error) {
	if f, err = openFile(dir, name); err == nil {
		info, err = f.Stat()
	}
	if err == nil && info.Mode().IsRegular() && os.SameFile(info, e.info) {
		return f, info, nil
	}
	named, lerr := dir.Lstat(name)
	switch {
	case lerr != nil:
		err = lerr
	case !named.Mode().IsRegular():
		err = errReplaced
	case err == nil && !os.SameFile(info, named):
		err = errReplaced
	}
	if err != nil && f != nil {
		f.Close()
	}
	return f, info, err
}

// waitFor returns how long to wait until a further change of the file would show in
// its times, or 0.
func waitFor(info fs.FileInfo) time.Duration {
	if age := time.Since(latest(info)); age >= 0 && age < tick {
		return tick - age
	}
	return 0
}

// latest returns the later of the times at which the content and an attribute of
// the file have changed.
func latest(info fs.FileInfo) time.Time {
	changed := changedAt(info).time()
	if changed.After(info.ModTime()) {
		return changed
	}
	return info.ModTime()
}

// digested is the digest of a file that was copied.
type digested struct {
	sum   uint64
	holes bool // some holes were left out
}

// copyData copies the bytes that the file has now, without its holes, and
// returns their number and their digest.
func (r *run) copyData(ctx context.Context, out, in *os.File, info fs.FileInfo, moved func(int64)) (n int64, done digested, err error) {
	size := info.Size()
	holes := storedOf(info) < size
	digest := r.newDigest()
	buf, _ := r.buffers()
	buf = buf[:r.limit.chunk(len(buf))]
	for end := size; n < size; {
		if holes && (n == 0 || n == end) {
			var start int64
			if start, end, err = nextData(in, n, size); err != nil {
				holes, end = false, size // if holes cannot be found, their zeros are copied
			} else if start > n {
				moved(start - n)
				n, done.holes = start, true
				continue
			}
		}
		part := buf[:min(int64(len(buf)), end-n)]
		got, err := in.ReadAt(part, n)
		if got < len(part) && err != io.EOF {
			return n, done, err
		}
		if werr := r.limit.wait(ctx, got); werr != nil {
			return n, done, werr
		}
		digest.add(part[:got], n)
		if _, werr := out.WriteAt(part[:got], n); werr != nil {
			return n, done, &spoolError{werr}
		}
		moved(int64(got))
		n += int64(got)
		if err == io.EOF { // the file has become shorter
			break
		}
	}
	if done.holes {
		if err := out.Truncate(n); err != nil {
			return n, done, &spoolError{err}
		}
	}
	done.sum = digest.sum()
	return n, done, nil
}

// verify reads a file back, and compares it with the digest of what was written.
func (r *run) verify(ctx context.Context, f *os.File, size int64, want digested) error {
	got, err := r.digest(ctx, f, size, want.holes)
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case err != nil:
		return &spoolError{fmt.Errorf("%w: %w", errDamaged, plain(err))}
	case got != want.sum:
		return &spoolError{errDamaged}
	}
	return nil
}

// digest returns the digest of the first size bytes of a file. If holes is set, it
// skips the holes.
func (r *run) digest(ctx context.Context, f *os.File, size int64, holes bool) (uint64, error) {
	digest := r.newDigest()
	buf, _ := r.buffers()
	for n, end := int64(0), size; n < size; {
		if err := interrupted(ctx); err != nil {
			return 0, err
		}
		if holes && (n == 0 || n == end) {
			start, stop, err := nextData(f, n, size)
			if err != nil {
				holes, stop = false, size
			} else if start > n {
				n = start
			}
			end = stop
			if n == size {
				break
			}
		}
		part := buf[:min(int64(len(buf)), end-n)]
		if _, err := f.ReadAt(part, n); err != nil && err != io.EOF { // a file that ends early is noticed by its size below
			return 0, err
		}
		digest.add(part, n)
		n += int64(len(part))
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%d bytes of %d", info.Size(), size)
	}
	return digest.sum(), err
}

// digest is a digest of the bytes of a file and their places. It leaves out units
// of zeros, so that a hole is the same as zeros.
type digest struct {
	hash maphash.Hash
	unit [digestUnit]byte // the unit at the offset at, as far as it was added
	at   int64
	open bool // the unit is not in the hash yet
}

const digestUnit = 4096

var zeros [digestUnit]byte

func (r *run) newDigest() *digest {
	d := &digest{}
	d.hash.SetSeed(r.seed)
	return d
}

// add adds bytes at an offset after all bytes that were added before.
func (d *digest) add(p []byte, at int64) {
	for len(p) > 0 {
		start := at - at%digestUnit
		if d.open && d.at != start {
			d.flush()
		}
		if !d.open && at == start && len(p) >= digestUnit {
			d.put(p[:digestUnit], start)
			p, at = p[digestUnit:], at+digestUnit
			continue
		}
		if !d.open {
			d.unit, d.at, d.open = zeros, start, true
		}
		n := copy(d.unit[at-start:], p)
		p, at = p[n:], at+int64(n)
	}
}

func (d *digest) flush() {
	if d.open {
		d.put(d.unit[:], d.at)
		d.open = false
	}
}

func (d *digest) put(unit []byte, at int64) {
	if string(unit) != string(zeros[:]) {
		var place [8]byte
		binary.LittleEndian.PutUint64(place[:], uint64(at))
		d.hash.Write(place[:])
		d.hash.Write(unit)
	}
}

func (d *digest) sum() uint64 {
	d.flush()
	return d.hash.Sum64()
}

// spoolError is an error of the spool, and not of the entry that was being
// fetched.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return plain(e.err).Error() }
func (e *spoolError) Unwrap() error { return e.err }

// roomFor adds to an error of the spool the directory and, if that is full, the
// number of bytes that are needed there.
func (r *run) roomFor(e *entry, err error) error {
	var spool *spoolError
	if !errors.As(err, &spool) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT) {
		hint := ""
		if r.m.opts.Spool != "" {
			hint = "; -spool names another directory"
		}
		return fmt.Errorf("%w: %d bytes are needed in %s%s", spool, e.size(), r.spool.path, hint)
	}
	return fmt.Errorf("cannot be stored in %s: %w", path.Clean(r.spool.path), spool)
}
