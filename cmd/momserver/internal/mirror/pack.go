package mirror

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mom/wire"
)

// batch is the entries of one package.
type batch []entry

// divide puts entries into packages, in their order, bounded by count and by
// the bytes of their files.
func divide(entries []entry, maxFiles int, maxBytes int64) []batch {
	var all []batch
	var now batch
	var bytes int64
	for _, e := range entries {
		size := e.size()
		if len(now) > 0 && (len(now) >= maxFiles || bytes+size > maxBytes) {
			all, now, bytes = append(all, now), nil, 0
		}
		now = append(now, e)
		bytes += size
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

// size is the bytes of the entry's content.
func (e *entry) size() int64 {
	if e.info.Mode().IsRegular() {
		return e.info.Size()
	}
	return 0
}

// header is the entry in a tar file. Owners stay behind.
func (e *entry) header(info fs.FileInfo) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(info, e.link)
	if err != nil {
		return nil, err
	}
	h.Name = e.path
	if info.IsDir() {
		h.Name += "/"
	}
	h.Format = tar.FormatPAX
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	return h, nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// tarBlock is what tar rounds up to; a file ends with two blocks of zeros.
const tarBlock = 512

// tarSize is the size of the package when all goes as planned.
func (b batch) tarSize() int64 {
	n := counter(2 * tarBlock)
	for _, e := range b {
		if h, err := e.header(e.info); err == nil {
			tar.NewWriter(&n).WriteHeader(h)
		}
		n += counter((e.size() + tarBlock - 1) / tarBlock * tarBlock)
	}
	return int64(n)
}

// body counts the entries: files and links, and the pages among them.
func (b batch) body() wire.PackageBody {
	var body wire.PackageBody
	for _, e := range b {
		if e.info.IsDir() {
			continue
		}
		body.Files++
		switch strings.ToLower(path.Ext(e.path)) {
		case ".html", ".htm":
			body.Pages++
		}
	}
	return body
}

// exported is a package as a file.
type exported struct {
	file   *os.File
	size   int64
	batch  batch   // what is in it: what vanished is not
	starts []int64 // where each of these begins
}

// attempts is how often a file that changes while it is read is read.
const attempts = 3

// errChanging is a file that changed in every attempt.
var errChanging = errors.New("it changes while it is read; left for the next run")

// export writes the entries of b as a tar file. What vanishes or keeps changing
// is left out with a warning; what cannot be read is an error, or, with
// ContinueOnError, a warning too.
func (r *run) export(ctx context.Context, number int, b batch) (*exported, error) {
	if r.spool == "" {
		dir, err := os.MkdirTemp("", "momserver-")
		if err != nil {
			return nil, err
		}
		r.spool = dir
	}
	f, err := os.Create(filepath.Join(r.spool, packageName(number)))
	if err != nil {
		return nil, err
	}
	x := &exported{file: f}
	for _, e := range b {
		if err := ctx.Err(); err != nil {
			return x, err
		}
		err := r.exportEntry(x, e)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist):
			r.job.Warn(e.path, "it vanished during the run")
		case errors.Is(err, errChanging):
			r.job.Warn(e.path, err.Error())
		case r.m.opts.ContinueOnError && !errors.Is(err, errSpool):
			r.result.Skipped++
			r.job.Warn(e.path, "not mirrored: "+plain(err).Error())
		default:
			return x, &itemError{e.path, plain(err)}
		}
	}
	return x, x.finish()
}

func packageName(number int) string { return fmt.Sprintf("package-%04d.tar", number) }

// errSpool marks a failure of the spool, which is no fault of the entry's.
var errSpool = errors.New("cannot write the package")

// exportEntry appends one entry, whole or not at all.
func (r *run) exportEntry(x *exported, e entry) (err error) {
	for range attempts {
		var whole bool
		if whole, err = r.appendEntry(x, e); whole {
			x.starts = append(x.starts, x.size)
			x.batch = append(x.batch, e)
			x.size, err = x.file.Seek(0, io.SeekCurrent)
			return err
		}
		if terr := x.rewind(); terr != nil {
			return fmt.Errorf("%w: %w", errSpool, terr)
		}
		if err != nil {
			return err
		}
	}
	return errChanging
}

// appendEntry writes the entry as it is now. It reports whether it was the
// same before and after.
func (r *run) appendEntry(x *exported, e entry) (whole bool, err error) {
	name, tw := filepath.FromSlash(e.path), tar.NewWriter(x.file)
	if !e.info.Mode().IsRegular() {
		h, err := e.header(e.info)
		if err == nil {
			err = tw.WriteHeader(h)
		}
		return err == nil, err
	}
	f, err := r.source.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !before.Mode().IsRegular() {
		return false, errors.New("it is no longer a file")
	}
	h, err := e.header(before)
	if err != nil {
		return false, err
	}
	if err := tw.WriteHeader(h); err != nil {
		return false, fmt.Errorf("%w: %w", errSpool, err)
	}
	if n, err := io.CopyN(tw, f, before.Size()); err != nil {
		if errors.Is(err, io.EOF) && n < before.Size() {
			return false, nil // it shrank
		}
		return false, err
	}
	after, err := f.Stat()
	if err != nil {
		return false, err
	}
	whole = after.Size() == before.Size() && after.ModTime().Equal(before.ModTime())
	if !whole {
		return false, nil
	}
	return true, tw.Flush() // pads; the next entry has a writer of its own
}

// rewind takes back what was written of an entry.
func (x *exported) rewind() error {
	if err := x.file.Truncate(x.size); err != nil {
		return err
	}
	_, err := x.file.Seek(x.size, io.SeekStart)
	return err
}

// finish ends the tar file.
func (x *exported) finish() error {
	if err := tar.NewWriter(x.file).Close(); err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	x.size += 2 * tarBlock
	_, err := x.file.Seek(0, io.SeekStart)
	return err
}

// at returns the entry that stands at an offset.
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

// discard removes the package's file.
func (x *exported) discard() {
	if x != nil {
		x.file.Close()
		os.Remove(x.file.Name())
	}
}
