// Package tlsfiles makes TLS configurations of PEM files, and reads the files
// again when they change: for the connections that come after, so that nobody
// is dropped. A file that is damaged, half written or gone leaves what was read
// before in force.
package tlsfiles

import (
	"io/fs"
	"os"
	"sync"
)

// watched is what was read from files, and is read again when one of them is
// another than before.
type watched[T any] struct {
	paths  []string
	read   func() (T, error)
	report func(error) // of files that changed and cannot be read; once a change

	mu     sync.Mutex // guards the fields below
	value  T
	seen   []fs.FileInfo // of paths, as they were when value was read
	failed []fs.FileInfo // as they were when reading failed last; nil for never
}

// watch reads the files for the first time.
func watch[T any](report func(error), read func() (T, error), paths ...string) (*watched[T], error) {
	w := &watched[T]{paths: paths, read: read, report: report}
	w.seen = w.look()
	var err error
	w.value, err = read()
	return w, err
}

// get returns what the files hold.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.look()
	if same(now, w.seen) {
		return w.value
	}
	value, err := w.read()
	if err != nil { // tried again next time: it may be for want of descriptors
		if w.failed == nil || !same(now, w.failed) {
			w.failed = now
			w.report(err)
		}
		return w.value
	}
	// Looked at before they were read: a change in between is seen next time.
	w.value, w.seen, w.failed = value, now, nil
	return value
}

// look returns what the files are; nil for one that is not there.
func (w *watched[T]) look() []fs.FileInfo {
	infos := make([]fs.FileInfo, len(w.paths))
	for i, path := range w.paths {
		infos[i], _ = os.Stat(path)
	}
	return infos
}

func same(a, b []fs.FileInfo) bool {
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) {
			return false
		}
		if a[i] != nil && (!os.SameFile(a[i], b[i]) || !a[i].ModTime().Equal(b[i].ModTime()) || a[i].Size() != b[i].Size()) {
			return false
		}
	}
	return true
}
