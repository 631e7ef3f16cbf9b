// Package cursorfile keeps the position of the monitor in a file, so that the
// next start of momclient -cursor goes on from there. Only momclient uses it.
//
// # The file
//
// The file of a monitor of one server is one line, EPOCH/SEQ. If there are several
// servers, the file has a line for each of them, EPOCH/SEQ NAME, with dashes in place
// of a cursor that is not known yet. Lines of other servers stay, so that a server
// that is left out for a while continues at its cursor. A line without a name was
// written when there was one server, and does not tell which one. So each server that
// has no line of its own begins at that cursor. For all servers but the right one, it is
// of another epoch, so that they begin at their oldest event, and no event is lost.
package cursorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mom.internal/cmd/internal/flock"
	"mom.internal/cmd/internal/paths"
	"mom.internal/wire"
)

// File keeps the cursors of servers. A line always has the same length. The monitor
// saves the cursor of each event after the event went to stdout, never before, and
// each save overwrites the line by one write. A process that is killed leaves the
// old line or the new one, so at most the one event whose line was not yet written is
// repeated. Only one monitor may use the file at a time; where the system has locks,
// a file beside it is locked, whose name ends in .lock. A File without a path keeps
// nothing.
type File struct {
	path    string      // as the user has named it
	place   paths.Place // symbolic links resolved, so that none is replaced
	lock    func()      // releases the lock
	servers []string
	was     fs.FileInfo // of the file as Open found it; nil if there was none
	whole   bool        // the file has exactly the lines that Save would write

	mu    sync.Mutex // guards the fields below
	file  *os.File   // nil before the first save, unless the file was whole
	lines []line     // those of servers, in their order, and behind them those of other servers
	dirty bool       // not yet on the disk
	err   error
}

// line is a line of the file.
type line struct {
	server string
	cursor wire.Cursor // zero if it is not known yet
	absent bool        // the file has lines, but none for this server
}

// The bounds of a file.
const (
	maxSize  = 128 << 10 // bytes that are read
	maxLines = 300       // as many as fit, with the longest addresses
)

// Open reads the cursors of the servers, if there is a file, and checks that the file
// can be written. It leaves the file as it is. It follows no link that another user
// may have planted. alias returns the present name of a server that the file may have
// under another name. Errors name the file and what to do.
func Open(path string, servers []string, alias func(string) string) (*File, error) {
	f := &File{path: path, lock: func() {}, servers: servers}
	f.take(nil, alias)
	if path == "" {
		return f, nil
	}
	var err error
	if f.place, err = paths.Resolve(path); err != nil {
		return nil, err
	}
	if err = f.load(alias); err == nil { // before a lock is made beside a device, say
		err = f.takeLock()
	}
	if err == nil {
		err = f.load(alias) // again, because another monitor may just have ended
	}
	if err == nil {
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

func (f *File) load(alias func(string) string) error {
	f.whole, f.was = false, nil
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
	lines, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("%s is damaged (%s); it was left as it is; correct it, or remove it to begin again", f.path, strings.TrimPrefix(err.Error(), "wire: "))
	}
	f.take(lines, alias)
	f.whole = bytes.Equal(text, f.encode())
	return nil
}

// parse reads the lines of a file.
func parse(text string) (lines []line, err error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("it has over %d bytes, but cursors are short lines", maxSize)
	}
	ended := strings.HasSuffix(text, "\n")
	for part := range strings.SplitSeq(strings.TrimRight(text, "\r\n"), "\n") {
		cursor, server, named := strings.Cut(strings.TrimSuffix(part, "\r"), " ")
		var l line
		if !named || cursor != unknown {
			l.cursor, err = wire.ParseCursor(cursor)
		}
		l.server = server
		if _, seq, _ := strings.Cut(cursor, "/"); err == nil && strings.HasPrefix(seq, "00") && len(seq) < seqDigits {
			err = fmt.Errorf("it is cut off within its %d digits", seqDigits) // and would be taken for an earlier position
		}
		if lines = append(lines, l); err != nil && len(lines) > 1 {
			err = fmt.Errorf("line %d: %s", len(lines), strings.TrimPrefix(err.Error(), "wire: "))
		}
		if err != nil {
			return nil, err
		}
		if len(lines) > maxLines {
			return nil, fmt.Errorf("it has over %d lines", maxLines)
		}
	}
	switch last := lines[len(lines)-1]; {
	case len(lines) > 1 && slices.ContainsFunc(lines, func(l line) bool { return l.server == "" }):
		return nil, errors.New("it has several lines, and one of them names no server")
	case last.server != "" && !ended:
		return nil, errors.New("its last line is cut off")
	}
	return lines, nil
}

// take makes the lines from those of a file.
func (f *File) take(read []line, alias func(string) string) {
	used := make([]bool, len(read))
	f.lines = nil
	for _, server := range f.servers {
		l := line{server: server}
		at := slices.IndexFunc(read, func(l line) bool { return l.server == server })
		if at < 0 {
			at = slices.IndexFunc(read, func(l line) bool { return l.server == "" || alias(l.server) == server })
		}
		if at >= 0 {
			l.cursor, used[at] = read[at].cursor, true
		}
		l.absent = at < 0 && len(read) > 0
		f.lines = append(f.lines, l)
	}
	for i, l := range read {
		if !used[i] && len(f.lines) < maxLines {
			f.lines = append(f.lines, l)
		}
	}
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
	if f.was != nil {
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

// unknown stands for a cursor in a line of a server that has none yet.
var unknown = strings.Repeat("-", 36+len("/")+seqDigits)

// encode returns the line as it is in the file, with or without the name of its server.
func (l *line) encode(named bool) []byte {
	text := []byte(unknown)
	if !l.cursor.IsZero() {
		text = fmt.Appendf(nil, "%v/%0*d", l.cursor.Epoch, seqDigits, l.cursor.Seq)
	}
	if named {
		text = append(append(text, ' '), l.server...)
	}
	return append(text, '\n')
}

// encode returns all lines.
func (f *File) encode() (text []byte) {
	for i := range f.lines {
		text = append(text, f.lines[i].encode(len(f.lines) > 1)...)
	}
	return text
}

// Save writes the cursor of a server to the file. n is the place of the server among
// the servers. A cursor before the last one, in the same epoch, is not written.
func (f *File) Save(n int, c wire.Cursor) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.lines[n].cursor
	if f.path == "" || f.err != nil || c.IsZero() || c == was || c.Epoch == was.Epoch && c.Seq < was.Seq {
		return f.err
	}
	f.lines[n].cursor = c
	if err := f.write(n); err != nil {
		f.err = fmt.Errorf("the cursor file %s cannot be written: %w", f.path, err)
		return f.err
	}
	f.dirty = true
	return nil
}

// write writes line n, or all lines if the file does not have them yet. mu is held.
func (f *File) write(n int) error {
	if f.file != nil {
		at := 0 // the offset of the line; lines before it have names
		for _, before := range f.lines[:n] {
			at += len(unknown) + len(" ") + len(before.server) + len("\n")
		}
		_, err := f.file.WriteAt(f.lines[n].encode(len(f.lines) > 1), int64(at))
		return err
	}
	written, err := f.writeTemp(f.encode())
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

// Freeze ends all saving, because an event could not be shown. err is the reason.
func (f *File) Freeze(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

// Cursor returns the last cursor of server n, or zero if it is not known.
func (f *File) Cursor(n int) wire.Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines[n].cursor
}

// Absent reports whether the file that Open read has lines, but none for server n.
func (f *File) Absent(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lines[n].absent
}

// sync brings the lines to the disk. A power failure then leads to repeated
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

// Follow saves, once a second, the cursor that where returns for each server, because
// clients may advance without an event to print. stop saves the cursors a last time.
func (f *File) Follow(where func(n int) wire.Cursor) (stop func() error) {
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
				f.saveAll(where)
				f.sync()
			case <-done:
				return
			}
		}
	})
	return func() error {
		close(done)
		wg.Wait()
		err := f.saveAll(where)
		f.sync()
		return err
	}
}

func (f *File) saveAll(where func(n int) wire.Cursor) error {
	var err error
	for n := range f.servers {
		err = f.Save(n, where(n))
	}
	return err
}
