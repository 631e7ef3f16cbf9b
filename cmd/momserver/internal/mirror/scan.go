package mirror

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// entry is a file, a directory or a link of a tree.
type entry struct {
	path string // relative to the root, with slashes
	info fs.FileInfo
	link string // the target of a link
}

// tree is the result of a scan: entries sorted by name, parents before
// children.
type tree struct {
	entries    []entry
	known      map[string]bool // paths of entries
	skipped    []*itemError    // neither files, directories nor links
	unreadable []*itemError
	reads      func(dir string)
}

// openSource opens the source, which must be a directory.
func openSource(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &itemError{dir, errors.New("the source does not exist")}
	case err != nil:
		return nil, &itemError{dir, plain(err)}
	case !info.IsDir():
		return nil, &itemError{dir, errors.New("the source is not a directory")}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &itemError{dir, plain(err)}
	}
	return root, nil
}

// scan reads the tree at root, without the subtree at exclude. It lists entries
// that cannot be read, and goes on. It calls reads with each directory.
func scan(ctx context.Context, root *os.Root, exclude string, reads func(dir string)) (*tree, error) {
	t := &tree{known: make(map[string]bool), reads: reads}
	return t, t.readDir(ctx, root, ".", exclude)
}

func (t *tree) readDir(ctx context.Context, root *os.Root, dir, exclude string) error {
	if err := interrupted(ctx); err != nil {
		return err
	}
	t.reads(dir)
	names, err := readNames(root, dir)
	if err != nil {
		if dir == "." || !gone(root, path.Join(dir, "x"), err) {
			t.unreadable = append(t.unreadable, &itemError{dir, plain(err)})
		}
		return nil
	}
	for _, name := range names {
		p := path.Join(dir, name)
		if p == exclude || isSpool(name) { // the spool of this destination or of one inside the source
			continue
		}
		if err := t.add(ctx, root, p, exclude); err != nil {
			return err
		}
	}
	return nil
}

// readNames returns the sorted names in a directory.
func readNames(root *os.Root, dir string) ([]string, error) {
	f, err := root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
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

func (t *tree) add(ctx context.Context, root *os.Root, p, exclude string) error {
	e := entry{path: p}
	var err error
	if e.info, err = root.Lstat(filepath.FromSlash(p)); err == nil && e.info.Mode()&fs.ModeSymlink != 0 {
		e.link, err = root.Readlink(filepath.FromSlash(p))
	}
	switch {
	case err != nil && gone(root, p, err):
		return nil
	case err != nil:
		t.unreadable = append(t.unreadable, &itemError{p, plain(err)})
		return nil
	}
	switch e.info.Mode().Type() {
	case 0, fs.ModeSymlink:
		t.put(e)
	case fs.ModeDir:
		t.put(e)
		return t.readDir(ctx, root, p, exclude)
	default:
		t.skipped = append(t.skipped, &itemError{p, errors.New("skipped: neither file, directory nor link")})
		t.known[p] = true
	}
	return nil
}

func (t *tree) put(e entry) {
	t.entries = append(t.entries, e)
	t.known[e.path] = true
}
