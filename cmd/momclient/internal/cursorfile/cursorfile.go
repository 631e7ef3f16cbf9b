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
	"mom.internal/cmd/internal/paths"
	"mom.internal/wire"
)

// File keeps a cursor: one line, EPOCH/SEQ, always of the same length. The
// monitor saves the cursor of each event after the event went to stdout, never
// before, and each save is one write over the line before. A process that is
// killed leaves the old line or the new one, so at most the one event whose line
// was not yet written is repeated. Only one monitor may use the file at a time;
// where the system has locks, a file beside it is locked, whose name ends in
// .lock. A File without a path keeps nothing.
type File struct {
	path   string      // as the user has named it
	place  paths.Place // symbolic links resolved, so that none is replaced
	lock   func()      // releases the lock
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
// written. It leaves the file as it is. It follows no link that another user may
// have planted. Errors name the file and what to do.
func Open(path string) (*File, error) {
	f := &File{path: path, lock: func() {}}
	if path == "" {
		return f, nil
	}
	var err error
	if f.place, err = paths.Resolve(path); err != nil {
		return nil, err
	}
	if err = f.load(); err == nil { // before a lock is made beside a device, say
		err = f.takeLock()
	}
	if err == nil {
		err = f.load() // again, because another monitor may just have ended
	}
	if err == nil {
		f.saved = f.cursor
		err = f.probe()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close releases the file and the lock. It may be called again.
func (f *File) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil {
		f.file.Close()
	}
	f.lock()
	f.lock = func() {}
}

func (f *File) load() error {
	f.cursor, f.whole, f.was = wire.Cursor{}, false, nil
	file, err := f.place.Open(os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if f.was, err = file.Stat(); err != nil {
		return err
	}
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

// takeLock locks the file until Close. Another user must not be able to hold the
// lock, so it is on a file that only its owner can open. In a directory where no
// file can be created, it is on the cursor file, if only its owner can open that.
func (f *File) takeLock() error {
	lock, err := f.lockBeside()
	if errors.Is(err, flock.ErrUnwritable) && f.was != nil {
		lock, err = func() {}, nil
		if f.was.Mode()&0o077 == 0 {
			lock, err = f.lockItself()
		}
	}
	var held *flock.Held
	switch {
	case errors.As(err, &held):
		return fmt.Errorf("%s: %w%s; give each monitor a file of its own", f.path, errShared, held.By())
	case err != nil:
		return f.unwritable(err)
	}
	f.lock = lock
	return nil
}

// lockBeside locks a file beside the cursor file.
func (f *File) lockBeside() (release func(), err error) {
	dir, err := os.OpenRoot(filepath.Dir(f.place.Path))
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: %w", flock.ErrUnwritable, err)
	}
	if err != nil {
		return nil, err
	}
	lock, err := flock.Take(dir, filepath.Base(f.place.Path)+".lock")
	if err != nil {
		dir.Close()
		return nil, err
	}
	return func() { lock.Close(); dir.Close() }, nil
}

// lockItself locks the cursor file.
func (f *File) lockItself() (release func(), err error) {
	file, err := f.place.Open(os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	if err := flock.Try(file); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

func (f *File) unwritable(err error) error {
	return fmt.Errorf("%s cannot be written: %w; name a file that can be written, in a directory that can be written", f.path, err)
}

// temp returns the path of a temporary file. The first line is written there
// before the file is renamed, so that nobody sees an empty file. The name is
// fixed, so that a monitor that is killed leaves at most one such file.
func (f *File) temp() string { return f.place.Path + ".tmp" }

// probe opens the file to be written, if it has a line that Save wrote.
// Otherwise it creates the temporary file and removes it again.
func (f *File) probe() error {
	if !f.cursor.IsZero() {
		file, err := f.place.Open(os.O_WRONLY)
		if err != nil {
			return f.unwritable(err)
		}
		if f.whole {
			f.file = file
			return nil
		}
		file.Close()
	}
	file, err := f.createTemp()
	if err != nil {
		return f.unwritable(err)
	}
	file.Close()
	return os.Remove(f.temp())
}

// errShared reports that another monitor uses the cursor file.
var errShared = errors.New("another monitor keeps its position there")

// createTemp creates the temporary file anew, and follows no link.
func (f *File) createTemp() (*os.File, error) {
	if err := os.Remove(f.temp()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is in the way: %w", f.temp(), err)
	}
	return os.OpenFile(f.temp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
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
	written, err := f.writeTemp(line(c))
	if err == nil {
		err = f.replace()
	}
	if err != nil {
		os.Remove(f.temp())
		return err
	}
	if f.file, err = f.place.Open(os.O_WRONLY); err != nil {
		return err
	}
	if now, err := f.file.Stat(); err != nil || !os.SameFile(now, written) {
		return errShared
	}
	return nil
}

// replace renames the temporary file, in place of the file that Open found. If
// another file is there, it belongs to another monitor.
func (f *File) replace() error {
	now, err := os.Lstat(f.place.Path)
	if err == nil && !os.SameFile(f.was, now) {
		return errShared
	}
	return os.Rename(f.temp(), f.place.Path)
}

// writeTemp writes the temporary file, and syncs it to the disk.
func (f *File) writeTemp(data []byte) (fs.FileInfo, error) {
	file, err := f.createTemp()
	if err != nil {
		return nil, err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	info, serr := file.Stat()
	return info, errors.Join(err, serr, file.Close())
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
// may advance without an event to print. stop saves it a last time.
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
		return err
	}
}
