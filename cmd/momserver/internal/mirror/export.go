package mirror

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// exported is a package in a file.
type exported struct {
	file   *os.File
	size   int64
	batch  batch   // the entries in the file
	starts []int64 // the offsets of the entries
}

// leftOut is the reason why an entry is left for the next run: it is not as the
// scan found it. That is not an error.
type leftOut string

func (l leftOut) Error() string { return string(l) }

const (
	vanished leftOut = "it vanished during the run"
	replaced leftOut = "it became something else during the run; left for the next run"
	changing leftOut = "it changes while it is read; left for the next run"
)

// export writes the entries of b as a tar file. It leaves out entries that
// vanish or keep changing. An entry that cannot be read ends the run, or is
// left out too with ContinueOnError.
func (r *run) export(ctx context.Context, b batch) (*exported, error) {
	f, err := r.spool.empty()
	if err != nil {
		return nil, about(b[0].path, err)
	}
	x := &exported{file: f}
	for _, e := range b {
		if err := r.exportEntry(ctx, x, e); err != nil && !r.mayLeave(e, err) {
			return nil, about(e.path, err)
		}
	}
	return x, about(b[len(b)-1].path, x.finish())
}

// mayLeave reports whether the run goes on without the entry, and adds that to
// the log of the job.
func (r *run) mayLeave(e entry, err error) bool {
	var left leftOut
	var spool *spoolError
	switch {
	case errors.As(err, &left) && left == vanished:
		r.warn(e.path, left.Error())
	case errors.As(err, &left):
		r.skip(e.path, left.Error())
	case errors.As(err, &spool), errors.Is(err, errInterrupted), !r.m.opts.ContinueOnError:
		return false
	default:
		r.skip(e.path, "not mirrored: "+plain(err).Error())
	}
	return true
}

// attempts is how often a file is read that changes while it is read.
const attempts = 4

// exportEntry appends an entry completely or not at all.
func (r *run) exportEntry(ctx context.Context, x *exported, e entry) error {
	for range attempts {
		whole, err := r.appendEntry(ctx, x, e)
		if whole {
			return x.keep(e)
		}
		if rerr := x.rewind(); rerr != nil {
			return rerr
		}
		if err != nil {
			return err
		}
	}
	return changing
}

// appendEntry writes the entry. It reports whether the entry was the same
// before and after.
func (r *run) appendEntry(ctx context.Context, x *exported, e entry) (whole bool, err error) {
	if err := interrupted(ctx); err != nil {
		return false, err
	}
	info, err := r.look(e)
	if err != nil {
		return false, err
	}
	tw := tar.NewWriter(spoolWriter{x.file})
	if !info.Mode().IsRegular() {
		h, err := e.header(info)
		if err == nil {
			err = tw.WriteHeader(h)
		}
		return err == nil, err
	}
	// O_NONBLOCK, because the file may have become a FIFO.
	f, err := r.source.OpenFile(filepath.FromSlash(e.path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, r.lost(e, err)
	}
	defer f.Close()
	return r.appendFile(ctx, tw, f, info, e)
}

// look returns the state of the entry, if it is as the scan found it.
func (r *run) look(e entry) (fs.FileInfo, error) {
	name := filepath.FromSlash(e.path)
	info, err := r.source.Lstat(name)
	switch {
	case err != nil:
		return nil, r.lost(e, err)
	case info.Mode().Type() != e.info.Mode().Type():
		return nil, replaced
	case info.Mode()&fs.ModeSymlink != 0:
		if link, err := r.source.Readlink(name); err != nil || link != e.link {
			return nil, replaced
		}
	}
	return info, nil
}

// lost returns vanished instead of err if the entry is gone.
func (r *run) lost(e entry, err error) error {
	if gone(r.source, e.path, err) {
		return vanished
	}
	return err
}

// appendFile writes an open file.
func (r *run) appendFile(ctx context.Context, tw *tar.Writer, f *os.File, seen fs.FileInfo, e entry) (whole bool, err error) {
	before, err := f.Stat()
	switch {
	case err != nil:
		return false, err
	case !os.SameFile(before, seen):
		return false, nil
	}
	if age := time.Since(before.ModTime()); age >= 0 && age < tick {
		return false, pause(ctx, tick-age)
	}
	h, err := e.header(before)
	if err != nil {
		return false, err
	}
	if err := tw.WriteHeader(h); err != nil {
		return false, err
	}
	n, err := io.CopyN(tw, untilDone{ctx, f}, before.Size())
	if errors.Is(err, io.EOF) && n < before.Size() {
		return false, nil // the file has become shorter
	}
	if err != nil {
		return false, err
	}
	after, err := f.Stat()
	if err != nil {
		return false, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return false, nil
	}
	if before.Mode()&modeBits != modeOf(before) {
		r.warn(e.path, "its setuid and setgid bits are not mirrored, because another user owns it")
	}
	return true, tw.Flush() // writes the padding; the next entry has a writer of its own
}

// tick is longer than the steps of the clock for the times of files. A file
// that has changed within a tick may change again without a new time. Then the
// content that was read before would be taken for the whole file for ever.
const tick = 20 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errInterrupted
	}
}

// keep adds the entry that was written.
func (x *exported) keep(e entry) error {
	end, err := x.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return &spoolError{err}
	}
	x.starts = append(x.starts, x.size)
	x.batch = append(x.batch, e)
	x.size = end
	return nil
}

// rewind removes an incomplete entry.
func (x *exported) rewind() error {
	err := x.file.Truncate(x.size)
	if err == nil {
		_, err = x.file.Seek(x.size, io.SeekStart)
	}
	if err != nil {
		return &spoolError{err}
	}
	return nil
}

func (x *exported) finish() error {
	if err := tar.NewWriter(spoolWriter{x.file}).Close(); err != nil {
		return err
	}
	x.size += 2 * tarBlock
	if _, err := x.file.Seek(0, io.SeekStart); err != nil {
		return &spoolError{err}
	}
	return nil
}

// at returns the entry at an offset.
func (x *exported) at(offset int64) string {
	item := ""
	for i, start := range x.starts {
		if start > offset {
			break
		}
		item = x.batch[i].path
	}
	return item
}
