package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// modeBits are the mode bits that are mirrored.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// modeOf returns the mode that a file or a directory of the source gets at the
// destination.
func modeOf(info fs.FileInfo) fs.FileMode {
	mode := info.Mode() & modeBits
	if info.Mode().IsRegular() && !ownerRuns(info) {
		mode &^= fs.ModeSetuid | fs.ModeSetgid
	}
	return mode
}

// plan is what a run has to do.
type plan struct {
	entries int               // of the source
	dirs    []entry           // of the source, parents first
	mounts  map[string]uint64 // the file systems of the source and of each directory below it that is on another one than its parent
	absent  map[string]bool   // directories of the source that the destination does not have
	renames []respelling
	batches []batch
	files   int                 // to be mirrored
	bytes   int64               // of these files
	doomed  []doomed            // contents before their directories
	inside  map[string][]doomed // of directories that files or links replace, by path
	stuck   []error             // of what cannot be deleted
	skipped []*itemError        // entries that are left out without an error

	destFiles   int  // files and links of the destination
	doomedFiles int  // those of them that the source does not have
	unsettled   bool // a directory has another mode or time, or a killed run has left a spool or a lock
}

// nothing reports whether nothing has to be done, as far as the source has been
// compared.
func (p *plan) nothing() bool {
	return len(p.batches) == 0 && len(p.renames) == 0 && len(p.doomed) == 0 && len(p.stuck) == 0
}

// compareDir compares a directory of the source with the destination, and adds
// to the plan what has to be done.
func (r *run) compareDir(ctx context.Context, l listing) error {
	r.job.Item(l.dir)
	r.plan.entries += len(l.entries)
	r.plan.skipped = append(r.plan.skipped, l.skipped...)
	if l.err != nil {
		switch {
		case l.dir == ".": // the source itself cannot be read
			return &itemError{r.m.src, l.err}
		case errors.Is(l.err, fs.ErrNotExist):
			return nil // the next run sees that it has vanished
		}
		r.keepMounts(l.dir)
		r.pack(entry{path: l.dir, err: l.err}) // the content of the directory is unknown, so nothing below it is deleted
		return nil
	}
	if l.dir == "." || l.device != l.parent {
		r.plan.mounts[l.dir] = l.system
	}
	there, err := r.look(l)
	if err != nil {
		return err
	}
	if there != nil {
		defer there.root.Close()
	}
	for _, e := range l.entries {
		if err := interrupted(ctx); err != nil {
			return err
		}
		if e.err != nil {
			r.keepMounts(e.path)
		}
		r.compareEntry(ctx, e, there)
	}
	if there != nil && r.m.opts.Delete {
		r.doomOthers(there)
	}
	r.job.Expect(len(r.plan.batches), r.plan.files, r.plan.bytes)
	return nil
}

// compareEntry adds the entry to the plan if the destination does not have it.
func (r *run) compareEntry(ctx context.Context, e entry, there *destDir) {
	if err := r.barred[path.Dir(e.path)]; err != nil {
		e.err = err
	}
	var info fs.FileInfo
	if e.err == nil && there != nil {
		info, e.err = there.find(e.path)
	}
	if e.err != nil {
		if e.info != nil && e.info.IsDir() {
			r.barred[e.path] = e.err
		}
		r.pack(e)
		return
	}
	if e.info.IsDir() {
		r.plan.dirs = append(r.plan.dirs, e)
	}
	e.found = info != nil
	file := 1
	if e.info.IsDir() {
		file = 0
	}
	if info != nil {
		r.count(file, 0)
	}
	switch {
	case info == nil || info.Mode().Type() != e.info.Mode().Type():
		switch {
		case info == nil:
		case r.m.excludes(e.path, info.IsDir()):
			e.err = errors.New("an excluded entry of another kind is in its place")
			if e.info.IsDir() {
				r.barred[e.path] = e.err
			}
		case info.IsDir() && r.m.opts.Delete:
			e.err = r.doomInside(there.root, e.path, info)
		}
		if e.info.IsDir() {
			r.plan.absent[e.path] = true
		} else if known := r.m.index.of(e.path); info == nil && there != nil && known.lacks(e) {
			r.m.index.put(e.path, known)
			return // a link, which this file system does not keep
		}
	case e.info.IsDir():
		known := r.m.index.of(e.path)
		r.m.index.keep(e.path)
		r.plan.unsettled = r.plan.unsettled || !known.keeps(e, info)
		return
	default:
		if r.same(ctx, e, info, there) {
			r.count(0, file)
			return
		}
	}
	r.pack(e)
}

// same reports whether the destination has the file or the link. A file is
// compared by size, time and mode. If another file is in its place, or the file was
// changed since the run before, its content is compared as well.
func (r *run) same(ctx context.Context, e entry, info fs.FileInfo, there *destDir) bool {
	if e.info.Mode()&fs.ModeSymlink != 0 {
		r.m.index.keep(e.path)
		link, err := there.root.Readlink(path.Base(e.path))
		return err == nil && link == e.link
	}
	known := r.m.index.of(e.path)
	if info.Size() != e.info.Size() || !known.keeps(e, info) {
		return false
	}
	now := known
	now.inode, now.changed = inodeOf(e.info), changedAt(e.info)
	changed := known.known() && (known.inode != now.inode || known.changed != now.changed)
	if (changed || r.m.opts.Checksum) && !r.sameContent(ctx, e, there) {
		return false
	}
	r.m.index.put(e.path, now)
	return true
}

// sameContent reports whether the file at the destination has the same bytes. It
// returns false if one of the two cannot be read.
func (r *run) sameContent(ctx context.Context, e entry, there *destDir) bool {
	dir, name, err := r.source.of(e.path)
	if err != nil {
		return false
	}
	a, err := openFile(dir, name)
	if err != nil {
		return false
	}
	defer a.Close()
	b, err := openFile(there.root, name)
	if err != nil {
		return false
	}
	defer b.Close()
	left, right := r.buffers()
	for {
		n, err := io.ReadFull(untilDone{ctx, a}, left)
		m, _ := io.ReadFull(b, right[:min(n+1, len(right))])
		if n != m || !bytes.Equal(left[:n], right[:n]) {
			return false
		}
		if err != nil {
			return err == io.EOF || err == io.ErrUnexpectedEOF
		}
	}
}

// openFile opens a file to be read. If a FIFO has taken the place of the file,
// openFile does not wait for its other end.
func openFile(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
