package runlog

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/flock"
	"mom.internal/cmd/internal/paths"
	"mom.internal/cmd/momclient/internal/syncdir"
)

// The bounds of a file.
const (
	MaxFile    = 64 << 20 // bytes; some days of a server that mirrors a few pairs every 5 s
	maxLine    = 64 << 10 // bytes; a run has only a few texts, of jobs.MaxText bytes at most
	maxUnsaved = 10_000   // lines that wait because the file cannot be written
)

// Log is the history of runs. Its methods may be called from several goroutines.
type Log struct {
	path    string // as the user has named it; "" for none
	place   paths.Place
	unlock  func()
	maxFile int64

	mu      sync.Mutex         // guards the fields below
	file    *os.File           // nil without a path
	size    int64              // of the whole lines in file
	unsaved [][]byte           // lines that could not be written yet
	dropped int                // lines that will never be written
	err     error              // why lines are unsaved
	known   map[uuid.UUID]bool // the runs and gaps in the files; true for a run that was lost
	old     map[uuid.UUID]bool // those of known that are in FILE.1
	jobs    map[Key]*job
	version uint64
}

// Open reads the file and FILE.1, if they exist, and opens the file for appending.
// It follows no link that another user may have planted, and only one monitor may
// use the file at a time, which holds the lock FILE.lock beside it. A Log without a
// path keeps the runs in memory only. alias returns the present name of a server that
// the files may have under another name. Errors name the file and what to do.
func Open(path string, alias func(string) string) (*Log, error) {
	l := &Log{path: path, unlock: func() {}, maxFile: MaxFile, jobs: make(map[Key]*job), known: make(map[uuid.UUID]bool), old: make(map[uuid.UUID]bool)}
	if path == "" {
		return l, nil
	}
	var err error
	if l.place, err = paths.Resolve(path); err != nil {
		return nil, err
	}
	if err = l.lock(); err == nil {
		err = l.open(alias)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// lock locks the file beside the history.
func (l *Log) lock() error {
	if info, err := os.Lstat(l.place.Path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", l.path) // so that no lock is made beside a device, for example
	}
	dir, err := os.OpenRoot(filepath.Dir(l.place.Path))
	if err != nil {
		return l.unwritable(err)
	}
	lock, err := flock.Take(dir, filepath.Base(l.place.Path)+".lock")
	var held *flock.Held
	if errors.As(err, &held) {
		err = fmt.Errorf("%s: another monitor writes its history there%s; give each monitor a file of its own", l.path, held.By())
	} else if err != nil {
		err = l.unwritable(err)
	}
	if err != nil {
		dir.Close()
		return err
	}
	l.unlock = func() { lock.Close(); dir.Close() }
	return nil
}

func (l *Log) unwritable(err error) error {
	return fmt.Errorf("%s cannot be written: %w; name a file that can be written, in a directory that can be written", l.path, err)
}

// open reads both files, and opens the file.
func (l *Log) open(alias func(string) string) error {
	for _, path := range files(l.place) {
		if err := readFile(path, alias, func(r *Run) { l.take(r) }, func(g *Gap) { l.known[g.id()] = false }); err != nil {
			return err
		}
		if path != l.place.Path {
			maps.Copy(l.old, l.known)
		}
	}
	if err := l.ready(); err != nil {
		return l.unwritable(err)
	}
	return nil
}

// openFile opens the file, or creates it.
func (l *Log) openFile() (*os.File, error) {
	file, err := l.place.Open(os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.OpenFile(l.place.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		syncdir.Of(l.place.Path)
	}
	return file, err
}

// endLine returns the size of the file. If its last line is cut off, endLine ends
// that line, so that the next run begins on a new line.
func endLine(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return size, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return size, err
	}
	_, err = f.WriteAt([]byte("\n"), size)
	return size + 1, err
}

// Read calls run for the runs in the file at the path and in its FILE.1, and gap for the
// gaps, in the order of their lines. It needs no lock, so it can be called while a
// monitor writes the file. alias is as for Open.
func Read(path string, alias func(string) string, run func(*Run), gap func(*Gap)) error {
	place, err := paths.Resolve(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(place.Path); err != nil {
		return err
	}
	for _, path := range files(place) {
		if err := readFile(path, alias, run, gap); err != nil {
			return err
		}
	}
	return nil
}

// files returns the paths of the files of a history, the older one first.
func files(place paths.Place) []string { return []string{place.Path + ".1", place.Path} }

// readFile calls run and gap for the lines of one file, if it exists.
func readFile(path string, alias func(string) string, run func(*Run), gap func(*Gap)) error {
	place, err := paths.Resolve(path)
	if err != nil {
		return err
	}
	f, err := place.Open(os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := readLines(f, alias, run, gap); err != nil {
		return fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return nil
}

// readLines calls run or gap for each line that has one. It skips other lines, such as
// a line that was cut off.
func readLines(f io.Reader, alias func(string) string, run func(*Run), gap func(*Gap)) error {
	lines := bufio.NewReaderSize(f, maxLine)
	for {
		text, err := lines.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // the line is no run
			text = nil
			_, err = lines.ReadSlice('\n')
		}
		var l struct {
			Run
			Time        time.Time
			Seq, Missed uint64
		}
		switch bad := json.Unmarshal(text, &l) != nil; {
		case bad:
		case l.RunID != uuid.Nil:
			l.Server = alias(l.Server)
			run(&l.Run)
		case l.Missed > 0:
			gap(&Gap{alias(l.Server), l.Time, l.Epoch, l.Seq, l.Missed})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Add adds a run, unless the log has it already. It reports whether the run is
// new. The line is on the disk after the next Sync that returns nil.
func (l *Log) Add(r *Run) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.take(r) {
		return false
	}
	l.add(r)
	return true
}

// AddGap adds a gap, unless the log has it already. It reports whether the gap is new
// and has a line.
func (l *Log) AddGap(g *Gap) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := g.id()
	if _, has := l.known[id]; has || l.path == "" {
		return false
	}
	l.known[id] = false
	l.add(g)
	return true
}

// add adds a line. mu is held.
func (l *Log) add(v any) {
	text, err := json.Marshal(v)
	if err != nil || l.path == "" {
		return // a line has no value that JSON cannot express
	}
	if len(l.unsaved) == maxUnsaved {
		l.unsaved = l.unsaved[1:]
		l.dropped++
	}
	l.unsaved = append(l.unsaved, append(text, '\n'))
	l.write()
}

// Has reports whether the log has the run. A log without a file has only the IDs of
// lost runs, so it returns false for all others.
func (l *Log) Has(run uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, has := l.known[run]
	return has
}

// take adds a run to the memory, unless the run is there already. mu is held, or
// nobody else has l.
func (l *Log) take(r *Run) bool {
	lost, has := l.known[r.RunID]
	if has && (!lost || r.Lost != "") {
		return false
	}
	key := Key{r.Server, r.JobID}
	j := l.jobs[key]
	if j == nil {
		if len(l.jobs) >= MaxJobs {
			l.forgetJob()
		}
		j = &job{key: key, sum: Summary{Trend: []Point{}}}
		l.jobs[key] = j
	}
	if has {
		j.replace(r)
	} else {
		j.add(r)
	}
	l.version++
	j.version = l.version
	l.remember(r)
	return true
}

// remember records that the run is known. Without a file, no run is kept over a
// restart, so only lost runs need to be known.
func (l *Log) remember(r *Run) {
	if l.path == "" && r.Lost == "" {
		delete(l.known, r.RunID)
		return
	}
	if l.path == "" && len(l.known) >= MaxJobs {
		clear(l.known)
	}
	l.known[r.RunID] = r.Lost != ""
}

// forgetJob forgets the job whose last run ended first. mu is held.
func (l *Log) forgetJob() {
	var oldest *job
	for _, j := range l.jobs {
		if oldest == nil || j.last().Before(oldest.last()) {
			oldest = j
		}
	}
	delete(l.jobs, oldest.key)
}

func (j *job) last() time.Time { return j.lines[len(j.lines)-1].Ended }

// write writes the unsaved lines, by one write. If that fails, the lines stay
// unsaved, and the part that was written is cut off. mu is held.
func (l *Log) write() {
	if len(l.unsaved) == 0 {
		return
	}
	if l.err = l.ready(); l.err != nil {
		return
	}
	text := bytes.Join(l.unsaved, nil)
	if _, l.err = l.file.WriteAt(text, l.size); l.err != nil {
		l.file.Truncate(l.size)
		return
	}
	l.size += int64(len(text))
	l.unsaved = nil
}

// ready makes sure that the file is open and has room. mu is held.
func (l *Log) ready() error {
	if l.file != nil && l.size >= l.maxFile {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.file != nil {
		return nil
	}
	file, err := l.openFile()
	if err != nil {
		return err
	}
	if l.size, err = endLine(file); err != nil {
		file.Close()
		return err
	}
	l.file = file
	return nil
}

// rotate renames the file to FILE.1. No file is open then. mu is held.
func (l *Log) rotate() error {
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.file.Close() // because some systems rename no open file
	l.file = nil
	if err := os.Rename(l.place.Path, l.place.Path+".1"); err != nil {
		return err
	}
	for id := range l.old { // the old FILE.1 had these runs
		delete(l.known, id)
	}
	l.old = maps.Clone(l.known)
	return nil
}

// Sync writes the unsaved lines, and syncs all lines to the disk. After an error it
// may be called again.
func (l *Log) Sync() error {
	l.mu.Lock()
	l.write()
	file, err, dropped := l.file, l.err, l.dropped
	l.mu.Unlock()
	if err == nil && file != nil {
		err = file.Sync()
	}
	if err == nil {
		return nil
	}
	l.mu.Lock()
	rotated := l.file != file
	l.mu.Unlock()
	if rotated {
		return l.Sync()
	}
	lost := ""
	if dropped > 0 {
		lost = fmt.Sprintf("; %d lines are not in it", dropped)
	}
	return fmt.Errorf("the history %s cannot be written: %w%s", l.path, err, lost)
}

// Close closes the file and releases the lock. It may be called again.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.unlock()
	l.unlock = func() {}
}

// View is a job with its summary and its last run.
type View struct {
	Key     Key
	Name    string
	Last    Run
	Summary Summary
	Totals  Totals
	Version uint64 // changes with every run of the job
}

// Jobs returns all jobs that the log has, sorted by the end of their last run, the
// latest first.
func (l *Log) Jobs() []View {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]View, 0, len(l.jobs))
	for _, j := range l.jobs {
		all = append(all, j.view())
	}
	slices.SortFunc(all, func(a, b View) int {
		return cmp.Or(b.Last.Ended.Compare(a.Last.Ended), cmp.Compare(a.Key.Server, b.Key.Server), bytes.Compare(a.Key.Job[:], b.Key.Job[:]))
	})
	return all
}

// Job returns a job, if the log has it.
func (l *Log) Job(key Key) (View, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[key]
	if j == nil {
		return View{}, false
	}
	return j.view(), true
}

func (j *job) view() View {
	return View{j.key, j.name, j.lines[len(j.lines)-1].Run, j.sum, j.totals, j.version}
}

// Lines returns the last runs of a job, the last one first, and how many earlier
// ones are no longer in memory.
func (l *Log) Lines(key Key) (lines []Line, forgotten int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[key]
	if j == nil {
		return nil, 0
	}
	lines = slices.Clone(j.lines)
	slices.Reverse(lines)
	return lines, j.forgot
}

// Fold returns the lines of runs that are in the order in which they ended. A line of
// several runs has the place of the last of them.
func Fold(runs []Run) []Line {
	var lines []*Line
	last := make(map[Key]int) // the index of the last line of a job
	for i := range runs {
		r := &runs[i]
		key := Key{r.Server, r.JobID}
		line := newLine(r)
		if at, has := last[key]; has && lines[at].fold(r) {
			line, lines[at] = *lines[at], nil
		}
		last[key] = len(lines)
		lines = append(lines, &line)
	}
	kept := make([]Line, 0, len(lines))
	for _, line := range lines {
		if line != nil {
			kept = append(kept, *line)
		}
	}
	return kept
}
