package mirror

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// entry is a file, a directory or a link of the source.
type entry struct {
	path string // relative to the source, with slashes
	info fs.FileInfo
	link string // the target of a link
	err  error  // why the entry cannot be mirrored; nil if it can

	found bool // the destination had an entry at the path
}

// listing is what a directory of the source holds, sorted by name.
type listing struct {
	dir     string
	device  uint64
	parent  uint64 // the device of the directory above
	system  uint64 // identifies the file system; set only for the source, and for a directory on another device than the one above
	entries []entry
	skipped []*itemError // entries that are neither files, directories nor links
	left    []string     // other names that are neither mirrored nor deleted
	err     error        // why the directory cannot be read
}

// openSource opens the source, which must be a directory. A symbolic link in its
// path may lead elsewhere than in the run before.
func (r *run) openSource() error {
	dir, err := r.m.resolve()
	if err != nil {
		return &itemError{r.m.src, err}
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &itemError{r.m.src, errors.New("the source does not exist")}
	case err != nil:
		return &itemError{r.m.src, plain(err)}
	case !info.IsDir():
		return &itemError{r.m.src, errors.New("the source is not a directory")}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &itemError{r.m.src, plain(err)}
	}
	r.source, r.srcInfo = directories{top: root}, info
	r.inside, _ = within(dir, r.m.dst)
	if above, err := os.Stat(filepath.Join(dir, "..")); err == nil {
		r.above = deviceOf(above)
		if deviceOf(info) != r.above {
			r.mounted |= mountPoint
		}
	}
	if top, err := os.Stat(filepath.VolumeName(dir) + string(filepath.Separator)); err == nil && deviceOf(info) != deviceOf(top) {
		r.mounted |= apart
	}
	return nil
}

// scanner reads the source, directory by directory, parents first.
type scanner struct {
	ctx     context.Context
	top     *os.Root
	without string      // the destination, if it is inside the source
	dest    fs.FileInfo // of the destination, which may be inside the source by a bind mount; nil if there is none
	exclude func(p string, dir bool) bool
	out     chan<- listing
}

// scan sends the listing of dir and of each directory below it.
func (s *scanner) scan(dir string, parent uint64) {
	l := s.list(dir, parent)
	select {
	case s.out <- l:
	case <-s.ctx.Done():
		return
	}
	for _, e := range l.entries {
		if e.err == nil && e.info.IsDir() && s.ctx.Err() == nil {
			s.scan(e.path, l.device)
		}
	}
}

// list reads a directory. An entry that cannot be read is listed with its error,
// unless it has vanished.
func (s *scanner) list(dir string, parent uint64) listing {
	l := listing{dir: dir, parent: parent}
	root, err := openDir(s.top, dir)
	var names []string
	if err == nil {
		defer root.Close()
		l.device, names, err = readDir(root)
	}
	if err != nil {
		l.err = plain(err)
		if dir != "." && gone(s.top, path.Join(dir, "x"), err) { // since its name was read
			l.err = fs.ErrNotExist
		}
		return l
	}
	if dir == "." || l.device != parent {
		l.system = identityOf(root)
	}
	infos, errs := lstatAll(root, names)
	for i, name := range names {
		p := path.Join(dir, name)
		if p == s.without || isSpool(name) || name == lostFound && l.device != parent {
			l.left = append(l.left, name) // the spool may belong to this destination, or to one inside the source
			continue
		}
		if infos[i] != nil && s.dest != nil && os.SameFile(infos[i], s.dest) {
			l.left = append(l.left, name)
			continue
		}
		e := entry{path: p, info: infos[i]}
		if err = errs[i]; err == nil && e.info.Mode()&fs.ModeSymlink != 0 {
			if e.link, err = root.Readlink(name); err != nil { // it may have become something else
				if now, lerr := root.Lstat(name); lerr != nil || now.Mode()&fs.ModeSymlink == 0 {
					e.info, err = now, lerr
				}
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && s.exclude(p, e.info.IsDir()):
			continue
		case err != nil:
			e.err = plain(err)
		}
		if err == nil && !mirrors(e.info.Mode()) {
			l.skipped = append(l.skipped, &itemError{p, errors.New("skipped: neither file, directory nor link")})
			continue
		}
		l.entries = append(l.entries, e)
	}
	return l
}

// lostFound is a directory at the top of a file system, which belongs to the file
// system.
const lostFound = "lost+found"

// mirrors reports whether entries of the type are mirrored.
func mirrors(mode fs.FileMode) bool {
	return mode.IsRegular() || mode.IsDir() || mode.Type() == fs.ModeSymlink
}

// openDir opens a directory below top.
func openDir(top *os.Root, dir string) (*os.Root, error) {
	return top.OpenRoot(filepath.FromSlash(dir))
}

// readDir returns the device of a directory, and the sorted names of its entries.
func readDir(dir *os.Root) (device uint64, names []string, err error) {
	f, err := dir.Open(".")
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	names, err = f.Readdirnames(-1)
	slices.Sort(names)
	return deviceOf(info), names, err
}

// lstatAll looks at each name in a directory. In a large directory several
// goroutines share the names.
func lstatAll(dir *os.Root, names []string) ([]fs.FileInfo, []error) {
	const share = 500
	infos, errs := make([]fs.FileInfo, len(names)), make([]error, len(names))
	var next atomic.Int64
	look := func() {
		for {
			end := int(next.Add(share))
			for i := end - share; i < min(end, len(names)); i++ {
				infos[i], errs[i] = dir.Lstat(names[i])
			}
			if end >= len(names) {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(names)+share-1)/share) - 1 {
		others.Go(look)
	}
	look()
	others.Wait()
	return infos, errs
}

// gone reports whether err, from a look at p, means that p has vanished since
// its name was read, or that its parent is no longer a directory.
func gone(root *os.Root, p string, err error) bool {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if info, err := root.Lstat(filepath.FromSlash(dir)); err == nil && !info.IsDir() {
			return true
		}
	}
	return errors.Is(err, fs.ErrNotExist)
}

// directories opens entries below top. It keeps the directory of the last entry
// open, because the next entry is usually in the same directory.
type directories struct {
	top  *os.Root
	dir  string
	root *os.Root // the directory dir; nil for none
}

// of returns the directory of the entry at p, and the name of the entry in it.
// The directory is valid until the next call.
func (d *directories) of(p string) (*os.Root, string, error) {
	dir, name := path.Split(p)
	dir = strings.TrimSuffix(dir, "/")
	if dir == "" {
		return d.top, name, nil
	}
	if d.root == nil || d.dir != dir {
		from, rest := d.top, dir
		if below, is := strings.CutPrefix(dir, d.dir+"/"); is && d.root != nil { // from the directory that is open, not from the top again
			from, rest = d.root, below
		}
		root, err := openDir(from, rest)
		if err != nil {
			return nil, "", err
		}
		d.forget()
		d.root, d.dir = root, dir
	}
	return d.root, name, nil
}

// forget closes the directory that is kept open.
func (d *directories) forget() {
	if d.root != nil {
		d.root.Close()
		d.root = nil
	}
}

func (d *directories) close() {
	d.forget()
	if d.top != nil {
		d.top.Close()
	}
}
