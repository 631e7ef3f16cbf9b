// Package cursorfile keeps the position of the monitor in a file, so that the
// next start of momclient -cursor goes on from there. Only momclient uses it.
package cursorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mom.internal/cmd/internal/flock"
	"mom.internal/wire"
)

// File keeps a cursor: one line, EPOCH/SEQ, always of the same length. The
// monitor saves the cursor of each event after the event went to stdout, never
// before, and each save is one write over the line before. A process that is
// killed leaves the old line or the new one, so at most the one event whose line
// was not yet written is repeated. Only one monitor may use the file at a time;
// where the system has locks, the file is locked. A File without a path keeps
// nothing.
type File struct {
	path   string      // symbolic links resolved, so that none is replaced
	cursor wire.Cursor // as read by Open; zero if there was no file
	whole  bool        // the file has a line as Save writes it
	was    fs.FileInfo // of the file as Open found it; nil if there was none

	mu    sync.Mutex // guards the fields below
	file  *os.File   // nil before the first save, unless the file was whole
	saved wire.Cursor
	dirty bool // not yet on the disk
	err   error
}

// maxSize bounds the bytes that are read. No cursor is longer.
const maxSize = 256

// Open reads the cursor, if there is a file, and checks that the file can be
// written. It leaves the file as it is. Errors name the file and what to do.
func Open(path string) (*File, error) {
	f := &File{path: path}
	if path == "" {
		return f, nil
	}
	f.path = followLinks(path)
	if err := f.load(); err != nil {
		return nil, err
	}
	f.saved = f.cursor
	if err := f.probe(); errors.Is(err, errShared) {
		return nil, fmt.Errorf("%s: %w", path, err)
	} else if err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w; name a file that can be written, in a directory that can be written", path, err)
	}
	return f, nil
}

// followLinks returns where a path leads, whether a file is there or not.
func followLinks(path string) string {
	for range 40 { // as the kernel does
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + string(filepath.Separator) + target // not cleaned, because .. may follow a link
		}
		path = target
	}
	return path
}

func (f *File) load() error {
	// Stat comes before Open, because opening a pipe waits for its other end.
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.was = info
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return err
	}
	if len(bytes.TrimRight(text, "\r\n")) == 0 {
		return fmt.Errorf("%s is empty; remove it to begin again", f.path)
	}
	f.cursor, err = wire.ParseCursor(strings.TrimRight(string(text), "\r\n"))
	if _, seq, _ := strings.Cut(strings.TrimRight(string(text), "\r\n"), "/"); err == nil && strings.HasPrefix(seq, "00") && len(seq) < seqDigits {
		err = fmt.Errorf("it is cut off within its %d digits", seqDigits) // and would be taken for an earlier position
	}
	if len(text) > maxSize {
		err = fmt.Errorf("it has over %d bytes, but a cursor is one line", maxSize)
	}
	if err != nil {
		return fmt.Errorf("%s is damaged (%s); it was left as it is; correct it, or remove it to begin again", f.path, strings.TrimPrefix(err.Error(), "wire: "))
	}
	f.whole = bytes.Equal(text, line(f.cursor))
	return nil
}

// temp returns the path of a temporary file. The first line is written there
// before the file is renamed, so that nobody sees an empty file. The name is
// fixed, so that a monitor that is killed leaves at most one such file.
func (f *File) temp() string { return f.path + ".tmp" }

// probe opens the file to be written, if it has a line that Save wrote.
// Otherwise it creates the temporary file and removes it again.
func (f *File) probe() (err error) {
	if !f.cursor.IsZero() {
		file, err := openLocked(f.path)
		if err != nil {
			return err
		}
		if f.whole {
			f.file = file
			return nil
		}
		file.Close()
	}
	file, err := createNew(f.temp())
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(f.temp())
}

// errShared reports that another monitor uses the cursor file.
var errShared = errors.New("another monitor keeps its position there; give each monitor a file of its own")

// openLocked opens a file to be written, and locks it until it is closed.
func openLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if flock.Try(file) != nil {
		file.Close()
		return nil, errShared
	}
	return file, nil
}

// createNew replaces a file, and follows no link, unless another monitor writes
// the file.
func createNew(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		file, err := openLocked(path)
		if errors.Is(err, errShared) {
			return nil, err
		}
		if err == nil {
			file.Close()
		}
	}
	os.Remove(path)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err == nil {
		flock.Try(file) // no other monitor has it for longer than a moment
	}
	return file, err
}

// seqDigits is the number of digits of the Seq in a line.
const seqDigits = 20

func line(c wire.Cursor) []byte { return fmt.Appendf(nil, "%v/%0*d\n", c.Epoch, seqDigits, c.Seq) }

// Save writes c to the file. A cursor before the last one, in the same epoch,
// is not written.
func (f *File) Save(c wire.Cursor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || f.err != nil || c.IsZero() || c == f.saved || c.Epoch == f.saved.Epoch && c.Seq < f.saved.Seq {
		return f.err
	}
	if err := f.write(c); err != nil {
		f.err = fmt.Errorf("the cursor file %s cannot be written: %w", f.path, err)
		return f.err
	}
	f.saved, f.dirty = c, true
	return nil
}

// write writes the line. mu is held.
func (f *File) write(c wire.Cursor) error {
	if f.file != nil {
		_, err := f.file.WriteAt(line(c), 0)
		return err
	}
	err := writeFile(f.temp(), line(c))
	if err == nil {
		err = f.replace()
	}
	if errors.Is(err, errShared) {
		return err // the temporary file may belong to the other monitor
	}
	if err != nil {
		os.Remove(f.temp())
		return err
	}
	f.file, err = openLocked(f.path)
	return err
}

// replace renames the temporary file, in place of the file that Open found. If
// another file is there, it belongs to another monitor.
func (f *File) replace() error {
	now, err := os.Stat(f.path)
	if err == nil && !os.SameFile(f.was, now) {
		os.Remove(f.temp())
		return errShared
	}
	err = os.Rename(f.temp(), f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return errShared // the other monitor has renamed the temporary file
	}
	return err
}

// writeFile writes a file, and syncs it to the disk.
func writeFile(path string, data []byte) error {
	file, err := createNew(path)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Freeze leaves the file as it is from here on, because err has kept the next
// event from being shown.
func (f *File) Freeze(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

// Cursor returns the cursor that Open read, or zero if there was no file.
func (f *File) Cursor() wire.Cursor { return f.cursor }

// sync brings the line to the disk. A power failure then leads to repeated
// events, of the last second, but never to a lost one.
func (f *File) sync() {
	f.mu.Lock()
	file, dirty := f.file, f.dirty
	f.dirty = false
	f.mu.Unlock()
	if dirty {
		file.Sync() // the next write reports an error, if it meets one
	}
}

// Follow saves the cursor that where returns once a second, because the client
// may advance without an event to print. stop saves it a last time and closes
// the file.
func (f *File) Follow(where func() wire.Cursor) (stop func() error) {
	if f.path == "" {
		return func() error { return nil }
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.Save(where())
				f.sync()
			case <-done:
				return
			}
		}
	})
	return func() error {
		close(done)
		wg.Wait()
		err := f.Save(where())
		f.sync()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.file != nil {
			f.file.Close()
		}
		return err
	}
}
