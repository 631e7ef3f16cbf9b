// Package filewatch keeps what was read from files, and reads it again if a file
// has changed. If a file is damaged, incomplete or gone, its earlier version stays
// in force. Both commands use it.
package filewatch

import (
	"io/fs"
	"os"
	"sync"
)

// Value is a value from files, which is read again if one of them has changed.
type Value[T any] struct {
	paths  []string
	read   func() (T, error)
	report func(error) // receives the error of a changed file, once per change

	mu     sync.Mutex // guards the fields below
	value  T
	seen   []fs.FileInfo // of paths, when value was read
	failed []fs.FileInfo // of paths, when reading last failed; nil if it never did
}

// New reads the files at paths for the first time, with read. report receives the
// errors of later versions of the files. read and report run while no other Get
// returns, and must not call Get.
func New[T any](report func(error), read func() (T, error), paths ...string) (*Value[T], error) {
	w := &Value[T]{paths: paths, read: read, report: report}
	w.seen = w.look()
	var err error
	w.value, err = read()
	return w, err
}

// Get returns the current value.
func (w *Value[T]) Get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.look()
	if same(now, w.seen) {
		return w.value
	}
	value, err := w.read()
	if err != nil { // tried again next time, because descriptors may be short
		if w.failed == nil || !same(now, w.failed) {
			w.failed = now
			w.report(err)
		}
		return w.value
	}
	// now is from before the read, so that a change in between is seen next
	// time.
	w.value, w.seen, w.failed = value, now, nil
	return value
}

// look returns the state of the files, with nil for one that does not exist.
func (w *Value[T]) look() []fs.FileInfo {
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
