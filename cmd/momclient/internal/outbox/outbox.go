// Package outbox keeps what the monitor must not forget if it is killed: the
// messages that no receiver has taken yet, how the jobs stand, and which runs are
// unfinished. All of it is in memory and, if there is a cursor file, in a file
// beside that. Package notify takes the messages from it, and the command fills it.
//
// # The file
//
// The file is a journal. Each line is a [Record] as JSON, written by one write, so
// that a process that is killed leaves a whole record or none. So a message is
// never in the file without the state after which it is not made again. A line that
// is cut off, for example by a power failure, is skipped and counted. If the journal has
// become long, it is replaced by a shorter one with the same content, which is written to
// a temporary file, synced and renamed. The lock of the cursor file guards this
// file too.
//
// If the file cannot be written, the messages stay in memory, and are delivered all
// the same. [Box.Sync] then returns the error, and later writes the whole file anew.
//
// # Order and bounds
//
// A receiver gets its messages in their order. At most [MaxWaiting] wait for it.
// If there are more, the oldest is dropped, and the next message that the receiver
// gets has the number of dropped messages in Missed.
package outbox

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/internal/paths"
	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/syncdir"
	"mom.internal/wire"
)

// MaxWaiting is how many messages may wait for a receiver. A message takes some
// kilobytes at most, because the texts of a run are cut. See package jobs.
const MaxWaiting = 1000

// slack is how many bytes the journal may have beyond twice its content.
const slack = 1 << 20

// maxLine bounds the bytes of a line. A record has what one event has changed, which
// can be thousands of runs if the server was started again.
const maxLine = 256 << 20

// Receiver is a receiver of messages.
type Receiver struct {
	Key string // names the receiver over restarts
	// Replaces reports whether old need not be delivered any more if next is. It
	// may be nil.
	Replaces func(next, old *alert.Alert) bool
}

// Run has the parts of an unfinished run that are needed after a restart.
type Run struct {
	Server  string        `json:"server"`
	JobID   uuid.UUID     `json:"jobID"`
	Job     string        `json:"job"`
	RunID   uuid.UUID     `json:"runID"`
	Epoch   uuid.UUID     `json:"epoch"`
	Seq     uint64        `json:"seq"` // of an event of the run
	Started time.Time     `json:"started,omitzero"`
	DryRun  bool          `json:"dryRun,omitempty"`
	Error   *runlog.Error `json:"error,omitempty"` // the first one
}

// Message is an alert and the keys of its receivers.
type Message struct {
	Alert *alert.Alert `json:"alert"`
	To    []string     `json:"to"`
}

// Record is what one event has changed. A field that is zero has not changed.
type Record struct {
	Server   string          `json:"server,omitempty"`
	At       wire.Cursor     `json:"at,omitzero"` // up to this cursor, the records have all events of the server
	Learned  bool            `json:"settled,omitempty"`
	Subjects []alert.Subject `json:"subjects,omitempty"`
	Runs     []Run           `json:"runs,omitempty"`
	Ended    []uuid.UUID     `json:"ended,omitempty"` // runs that have ended or are lost
	Messages []Message       `json:"messages,omitempty"`
	Taken    []taken         `json:"taken,omitempty"`
	Missed   map[string]int  `json:"missed,omitempty"` // by receiver; only in a record that rewrite has written
}

// taken is a message that waits no longer, because the receiver has taken it, or
// because it was given up, replaced or dropped.
type taken struct {
	By     string    `json:"by"`
	ID     uuid.UUID `json:"id"`
	Missed int       `json:"missed,omitempty"` // the number that the message has reported; -1 if the message was dropped
}

// empty reports whether the record changes nothing but the cursor.
func (r *Record) empty() bool {
	return len(r.Subjects)+len(r.Runs)+len(r.Ended)+len(r.Messages)+len(r.Taken) == 0
}

// queue has the messages for one receiver.
type queue struct {
	Receiver
	bell    chan struct{}
	waiting []*alert.Alert
	sending bool // the first of waiting is being delivered
	missed  int  // dropped, and not reported yet
}

// Box is an outbox. Its methods may be called from several goroutines.
type Box struct {
	path  string
	place paths.Place // zero for a Box that is only in memory
	alias func(string) string

	mu       sync.Mutex // guards the fields below; held while a record is written, so that the lines are in order
	at       map[string]wire.Cursor
	learned  map[string]bool // by server
	subjects map[subjectKey]alert.Subject
	runs     map[uuid.UUID]Run
	queues   map[string]*queue
	file     *os.File // nil without a path, after Close, and if it could not be opened again
	closed   bool
	size     int64 // of the file
	content  int64 // its size when it was last written anew
	err      error // why the file lacks a record
	dropped  int   // messages for receivers that are no longer there
	skipped  int   // lines that could not be read
}

type subjectKey struct {
	server string
	job    uuid.UUID
	name   string // only without a job
}

// Open reads the file at the path, if it exists, and writes it anew. Messages for
// other receivers are dropped. An empty path stands for no file. alias returns the
// present name of a server that the file may have under another name.
func Open(path string, alias func(string) string, receivers []Receiver) (*Box, error) {
	b := &Box{
		path: path, alias: alias, at: make(map[string]wire.Cursor), learned: make(map[string]bool), subjects: make(map[subjectKey]alert.Subject), runs: make(map[uuid.UUID]Run), queues: make(map[string]*queue),
	}
	for _, r := range receivers {
		b.queues[r.Key] = &queue{Receiver: r, bell: make(chan struct{}, 1)}
	}
	if path == "" {
		return b, nil
	}
	var err error
	if b.place, err = paths.Resolve(path); err != nil {
		return nil, err
	}
	if err := b.load(); err != nil {
		return nil, err
	}
	if err := b.rewrite(); err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w; name a cursor file in a directory that can be written", path, err)
	}
	return b, nil
}

// load reads the file.
func (b *Box) load() error {
	file, err := b.place.Open(os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 64<<10)
	for {
		line, err := readLine(lines, maxLine)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w; the file was left as it is; move it away to begin without it", b.path, err)
		}
		var r Record
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &r) == nil {
			b.rename(&r)
			b.apply(&r)
		} else if len(line) > 0 {
			b.skipped++
		}
		if err != nil {
			break
		}
	}
	if b.learned[""] { // an earlier version did not distinguish servers
		delete(b.learned, "")
		for server := range b.at {
			b.learned[server] = true
		}
	}
	for _, q := range b.queues {
		q.ring()
	}
	return nil
}

// readLine returns the next line, with its end. The last line may have no end.
func readLine(from *bufio.Reader, most int) (line []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		if line = append(line, part...); len(line) > most {
			return nil, fmt.Errorf("a line has over %d bytes, so no monitor has written it", most)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// rename gives the servers in a record their present names. A message that waits keeps
// the name under which it was made, as its ID does.
func (b *Box) rename(r *Record) {
	if r.Server != "" {
		r.Server = b.alias(r.Server)
	}
	for i := range r.Subjects {
		if s := &r.Subjects[i]; s.Server != "" {
			s.Server = b.alias(s.Server)
		}
	}
	for i := range r.Runs {
		r.Runs[i].Server = b.alias(r.Runs[i].Server)
	}
}

// apply adds a record to the fields of the Box. mu is held, or nobody else has b.
func (b *Box) apply(r *Record) {
	if !r.At.IsZero() {
		b.at[r.Server] = r.At
	}
	if r.Learned {
		b.learned[r.Server] = true
	}
	for _, s := range r.Subjects {
		if s.JobID != uuid.Nil && s.Server != "" { // the rules may have named the job before its server or its ID was known
			delete(b.subjects, subjectKey{job: s.JobID})
			if s.Job != "" {
				delete(b.subjects, subjectKey{server: s.Server, name: s.Job})
				delete(b.subjects, subjectKey{name: s.Job})
			}
		}
		b.subjects[keyOf(&s)] = s
	}
	for _, run := range r.Runs {
		b.runs[run.RunID] = run
	}
	for _, id := range r.Ended {
		delete(b.runs, id)
	}
	for _, m := range r.Messages {
		for _, key := range m.To {
			if q := b.queues[key]; q != nil {
				q.waiting = append(q.waiting, m.Alert)
				q.ring()
			} else {
				b.dropped++
			}
		}
	}
	for key, n := range r.Missed {
		if q := b.queues[key]; q != nil {
			q.missed += n
		}
	}
	for _, t := range r.Taken {
		if q := b.queues[t.By]; q != nil {
			q.remove(t)
		}
	}
	for len(b.subjects) > alert.MaxSubjects {
		b.forget()
	}
}

func keyOf(s *alert.Subject) subjectKey {
	if s.JobID != uuid.Nil {
		return subjectKey{server: s.Server, job: s.JobID}
	}
	return subjectKey{server: s.Server, name: s.Job}
}

// forget forgets a subject, as the Decider does. mu is held.
func (b *Box) forget() {
	var oldest *alert.Subject
	for _, s := range b.subjects {
		if oldest == nil || s.Seen.Before(oldest.Seen) {
			oldest = &s
		}
	}
	delete(b.subjects, keyOf(oldest))
}

// displaced returns the messages that are removed when next is added: those that
// next replaces, and the oldest if there is no room. The message that is being
// delivered stays. before and gone are those of the record that has next, which is
// not applied yet. mu is held.
func (b *Box) displaced(key string, next *alert.Alert, before []Message, gone []taken) (all []taken) {
	q := b.queues[key]
	waiting := slices.Clone(q.waiting)
	for _, m := range before {
		if slices.Contains(m.To, key) {
			waiting = append(waiting, m.Alert)
		}
	}
	if q.sending {
		waiting = waiting[1:]
	}
	waiting = slices.DeleteFunc(waiting, func(old *alert.Alert) bool {
		if slices.ContainsFunc(gone, func(t taken) bool { return t.By == key && t.ID == old.ID }) {
			return true
		}
		if q.Replaces == nil || !q.Replaces(next, old) {
			return false
		}
		all = append(all, taken{By: key, ID: old.ID})
		return true
	})
	if len(waiting) >= MaxWaiting {
		all = append(all, taken{By: key, ID: waiting[0].ID, Missed: -1})
	}
	return all
}

func (q *queue) remove(t taken) {
	q.waiting = slices.DeleteFunc(q.waiting, func(a *alert.Alert) bool { return a.ID == t.ID })
	q.missed = max(0, q.missed-t.Missed)
}

func (q *queue) ring() {
	select {
	case q.bell <- struct{}{}:
	default:
	}
}

// At returns the cursor up to which the box has the changes of the server's events.
func (b *Box) At(server string) wire.Cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[server]
}

// Learned reports whether a Decider has learned the state of the server's jobs.
func (b *Box) Learned(server string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.learned[server]
}

// Lost returns what the box had to leave out of the file of an earlier monitor: the
// number of messages for receivers that are no longer there, and of lines that could
// not be read.
func (b *Box) Lost() (messages, lines int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped, b.skipped
}

// State returns what the box has of an earlier monitor.
func (b *Box) State() (subjects []alert.Subject, runs []Run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subjects {
		subjects = append(subjects, s)
	}
	for _, r := range b.runs {
		runs = append(runs, r)
	}
	slices.SortFunc(runs, func(x, y Run) int { return cmp.Compare(x.Seq, y.Seq) })
	return subjects, runs
}

// Commit adds what an event has changed. It reports whether a Sync is needed before
// the cursor of the event may be saved.
func (b *Box) Commit(r *Record) (written bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.empty() && (b.learned[r.Server] || !r.Learned) {
		return false
	}
	for i, m := range r.Messages {
		for _, key := range m.To {
			r.Taken = append(r.Taken, b.displaced(key, m.Alert, r.Messages[:i], r.Taken)...)
		}
	}
	b.apply(r)
	b.write(r)
	return b.path != "" && !b.closed
}

// write appends a record to the file. mu is held.
func (b *Box) write(r *Record) {
	if b.file == nil || b.err != nil {
		return
	}
	text, err := json.Marshal(r)
	if err == nil {
		_, err = b.file.WriteAt(append(text, '\n'), b.size)
	}
	if err != nil {
		b.err = err
		b.file.Truncate(b.size)
		return
	}
	b.size += int64(len(text)) + 1
}

// Next returns the message that is to be delivered to the receiver next, or nil if
// none waits. It returns the same message until Taken is called.
func (b *Box) Next(key string) *alert.Alert {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[key]
	if q.sending = len(q.waiting) > 0; !q.sending {
		return nil
	}
	a := *q.waiting[0]
	a.Missed = q.missed
	return &a
}

// Bell returns a channel that receives when a message has been added for the
// receiver.
func (b *Box) Bell(key string) <-chan struct{} { return b.queues[key].bell }

// Taken removes a message that Next has returned, because the receiver has taken
// it, or because it is given up.
func (b *Box) Taken(key string, a *alert.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[key].sending = false
	r := &Record{Taken: []taken{{By: key, ID: a.ID, Missed: a.Missed}}}
	b.apply(r)
	b.write(r)
}

// Waiting returns how many messages wait for the receiver, the time of the oldest
// one, and how many were dropped.
func (b *Box) Waiting(key string) (n int, oldest time.Time, missed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[key]
	if len(q.waiting) > 0 {
		oldest = q.waiting[0].Time
	}
	return len(q.waiting), oldest, q.missed
}

// Sync syncs all records to the disk. After an error it may be called again.
func (b *Box) Sync() error {
	b.mu.Lock()
	if b.path == "" || b.closed {
		b.mu.Unlock()
		return nil
	}
	if b.err != nil || b.size > 2*b.content+slack {
		b.err = b.rewrite()
	}
	file, err := b.file, b.err
	b.mu.Unlock()
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return fmt.Errorf("the state beside the cursor, %s, cannot be written: %w", b.path, err)
	}
	return nil
}

// rewrite writes the file anew. mu is held, or nobody else has b.
func (b *Box) rewrite() error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, r := range b.records() {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	temp := b.place.Path + ".tmp"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is in the way: %w", temp, err)
	}
	file, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) // follows no link
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		if b.file != nil {
			b.file.Close() // because some systems replace no open file
			b.file = nil
		}
		err = os.Rename(temp, b.place.Path)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	syncdir.Of(b.place.Path)
	b.size, b.content = int64(text.Len()), int64(text.Len())
	b.file, err = b.place.Open(os.O_RDWR)
	return err
}

// records returns the content of the box. mu is held.
func (b *Box) records() []*Record {
	var all []*Record
	for server, at := range b.at {
		all = append(all, &Record{Server: server, At: at})
	}
	for server := range b.learned {
		all = append(all, &Record{Server: server, Learned: true})
	}
	state := &Record{Missed: make(map[string]int)}
	for _, s := range b.subjects {
		state.Subjects = append(state.Subjects, s)
	}
	for _, r := range b.runs {
		state.Runs = append(state.Runs, r)
	}
	for key, q := range b.queues {
		for _, a := range q.waiting {
			all = append(all, &Record{Messages: []Message{{Alert: a, To: []string{key}}}})
		}
		if q.missed > 0 {
			state.Missed[key] = q.missed
		}
	}
	return append(all, state)
}

// Close closes the file. Messages that still wait are in it.
func (b *Box) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
	b.closed = true
}
