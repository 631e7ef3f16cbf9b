package outbox

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/alert"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/wire"
)

var start = time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)

func id(kind string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%s %d", kind, n))
}

func message(n int, to ...string) Message {
	return Message{Alert: &alert.Alert{ID: id("alert", n), Kind: alert.Failed, Server: "S", JobID: id("job", 0), Time: start.Add(time.Duration(n) * time.Second), Text: fmt.Sprint("text ", n)}, To: to}
}

// record returns a record of every kind of content.
func record(n int) *Record {
	return &Record{
		Server: "S", At: wire.Cursor{Epoch: id("epoch", 0), Seq: uint64(n)}, Learned: true,
		Subjects: []alert.Subject{{Server: "S", JobID: id("job", 0), Job: "site", First: start, Seen: start, Count: n}},
		Runs:     []Run{{Server: "S", JobID: id("job", 0), RunID: id("run", n), Seq: uint64(n), Error: &runlog.Error{Message: "bad"}}},
		Ended:    []uuid.UUID{id("run", n-2)},
		Messages: []Message{message(n, "a", "b")},
	}
}

func open(t *testing.T, path string, keys ...string) *Box {
	t.Helper()
	var receivers []Receiver
	for _, key := range keys {
		receivers = append(receivers, Receiver{Key: key})
	}
	b, err := Open(path, same, receivers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// same is an alias function for servers that always had the same names.
func same(server string) string { return server }

// waiting returns the numbers of the messages that wait.
func waiting(b *Box, key string) (all []string) {
	for _, a := range b.queues[key].waiting {
		all = append(all, strings.TrimPrefix(a.Text, "text "))
	}
	return all
}

// TestRestart has after a restart what it had before, also if the journal is cut
// off: then what it had after one of its records.
func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a", "b")
	type content struct {
		at       uint64
		runs     []Run
		subjects []alert.Subject
		learned  bool
		a, b     []string
	}
	of := func(b *Box) (c content) {
		c.at, c.a, c.b = b.At("S").Seq, waiting(b, "a"), waiting(b, "b")
		c.subjects, c.runs = b.State()
		c.learned = b.Learned("S")
		return c
	}
	wants := []content{of(b)}
	for n := range 6 {
		if !b.Commit(record(n + 1)) {
			t.Fatal("no Sync is needed")
		}
		wants = append(wants, of(b))
		if n%2 == 1 {
			b.Taken("a", b.Next("a"))
			wants = append(wants, of(b))
		}
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	journal, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := wants[len(wants)-1]
	if !slices.Equal(last.a, []string{"4", "5", "6"}) || len(last.b) != 6 || len(last.runs) != 2 || last.at != 6 || last.subjects[0].Count != 6 {
		t.Errorf("%+v", last)
	}
	met := make(map[int]bool)
	for cut := len(journal); cut >= 0; cut -= 17 { // each record is longer
		if err := os.WriteFile(path, journal[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		b := open(t, path, "a", "b")
		got := of(b)
		b.Close()
		i := slices.IndexFunc(wants, func(w content) bool { return reflect.DeepEqual(w, got) })
		if i < 0 {
			t.Fatalf("cut at %d: %+v", cut, got)
		}
		met[i] = true
	}
	if len(met) != len(wants) {
		t.Errorf("it met %d of %d states", len(met), len(wants))
	}
}

// TestShrink replaces a journal that has grown by a shorter one with the same
// content.
func TestShrink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a")
	for n := range 3000 {
		b.Commit(&Record{Subjects: record(n).Subjects, Messages: []Message{message(n, "a")}})
		b.Taken("a", b.Next("a"))
		if n%100 == 0 {
			if err := b.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > slack+200_000 || b.size != info.Size() {
		t.Errorf("%v %v", info.Size(), err)
	}
	b.Close()
	b = open(t, path, "a")
	if subjects, _ := b.State(); len(subjects) != 1 || subjects[0].Count != 2999 || len(waiting(b, "a")) > 0 {
		t.Errorf("%+v", subjects)
	}
}

// TestUnwritable goes on in memory, returns the error, and writes everything once
// that is possible.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	b := open(t, path, "a")
	b.Commit(&Record{Messages: []Message{message(1, "a")}})
	b.file.Close()
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(path+".tmp", "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Commit(&Record{Messages: []Message{message(2, "a")}})
	if err := b.Sync(); err == nil || !strings.Contains(err.Error(), path+".tmp is in the way") {
		t.Errorf("Sync: %v", err)
	}
	if got := waiting(b, "a"); len(got) != 2 {
		t.Errorf("waiting %v", got)
	}
	os.Remove(inTheWay)
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if got := waiting(open(t, path, "a"), "a"); len(got) != 2 {
		t.Errorf("waiting after a restart %v", got)
	}
}

// TestBounds drops the oldest message that is not being delivered, and reports the
// number with the next one, also after a restart.
func TestBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a", "b")
	b.Commit(&Record{Messages: []Message{message(0, "a", "b")}})
	first := b.Next("a")
	for n := range MaxWaiting + 4 {
		b.Commit(&Record{Messages: []Message{message(n+1, "a")}})
	}
	if got := waiting(b, "a"); len(got) != MaxWaiting+1 || got[0] != "0" || got[1] != "5" || first.Missed != 0 {
		t.Errorf("%d wait: %v…", len(got), got[:2])
	}
	b.Taken("a", first)
	if a := b.Next("a"); a.Missed != 4 {
		t.Errorf("missed %d", a.Missed)
	}
	b.Sync()
	b.Close()
	b = open(t, path, "a", "b")
	if n, oldest, missed := b.Waiting("a"); n != MaxWaiting || missed != 4 || !oldest.Equal(start.Add(5*time.Second)) {
		t.Errorf("%d wait since %v, %d missed", n, oldest, missed)
	}
	b.Taken("a", b.Next("a"))
	if a := b.Next("a"); a.Missed != 0 {
		t.Errorf("missed %d, again", a.Missed)
	}
	if n, _, missed := b.Waiting("b"); n != 1 || missed != 0 {
		t.Errorf("for b %d wait, %d missed", n, missed)
	}
}

// TestReplaces drops messages that a later one makes needless, except the one that
// is being delivered.
func TestReplaces(t *testing.T) {
	b, err := Open("", same, []Receiver{{Key: "a", Replaces: func(next, old *alert.Alert) bool { return old.Text != "text 1" }}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		b.Commit(&Record{Messages: []Message{message(n, "a")}})
	}
	if got := waiting(b, "a"); !slices.Equal(got, []string{"1", "2"}) {
		t.Error(got)
	}
	b.Taken("a", b.Next("a"))
	b.Next("a")
	b.Commit(&Record{Messages: []Message{message(3, "a")}})
	if got := waiting(b, "a"); !slices.Equal(got, []string{"2", "3"}) || b.queues["a"].missed > 0 {
		t.Error(got)
	}
}

// TestOtherReceivers drops the messages for receivers that are no longer there, and
// says how many.
func TestOtherReceivers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a", "b")
	b.Commit(record(1))
	b.Close()
	if dropped, _ := open(t, path, "b").Lost(); dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), `"messages"`) != 1 {
		t.Errorf("%s %v", text, err)
	}
}

// TestNothing writes nothing for an event that changes nothing.
func TestNothing(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "state"), "a", "b")
	b.Commit(record(1))
	size := b.size
	for _, learned := range []bool{false, true} {
		if b.Commit(&Record{Server: "S", At: wire.Cursor{Epoch: id("epoch", 0), Seq: 9}, Learned: learned}) || b.size != size {
			t.Errorf("it has written %d bytes", b.size-size)
		}
	}
}

// TestNamed knows a job under its ID alone once it has been seen.
func TestNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a", "b")
	b.Commit(&Record{Subjects: []alert.Subject{{Server: "S", Job: "site"}, {Job: "site"}, {JobID: id("job", 1)}, {Server: "S"}}})
	b.Commit(record(1))
	b.Commit(&Record{Subjects: []alert.Subject{{Server: "S", JobID: id("job", 1)}}})
	b.Close()
	subjects, _ := open(t, path, "a", "b").State()
	text, _ := json.Marshal(subjects)
	if len(subjects) != 3 || !slices.ContainsFunc(subjects, func(s alert.Subject) bool { return s.JobID == uuid.Nil && s.Job == "" }) {
		t.Errorf("%s", text)
	}
}

// TestPlanted follows no link that another user may have planted.
func TestPlanted(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o777|os.ModeSticky)
	target := filepath.Join(t.TempDir(), "target")
	for _, name := range []string{"state", "other.tmp"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	if _, err := Open(filepath.Join(dir, "state"), same, nil); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("%v", err)
	}
	open(t, filepath.Join(dir, "other"), "a", "b").Commit(record(1))
	if _, err := os.Stat(target); err == nil {
		t.Error("it wrote through the link")
	}
}

// TestDamagedLines counts the lines that cannot be read, and refuses a file with a line
// that no monitor has written, without a change.
func TestDamagedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	b := open(t, path, "a", "b")
	b.Commit(record(1))
	b.Close()
	journal, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(append([]byte("damaged\n"), journal...), journal[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	b = open(t, path, "a", "b")
	if _, lines := b.Lost(); lines != 2 || len(waiting(b, "a")) != 1 {
		t.Errorf("%d lines, %v", lines, waiting(b, "a"))
	}
	b.Close()
	if _, lines := open(t, path, "a", "b").Lost(); lines != 0 {
		t.Errorf("%d lines are still damaged", lines)
	}
	from := bufio.NewReaderSize(strings.NewReader("12345\n123456\nlast"), 16)
	for _, want := range []string{"12345\n", "", "last"} {
		if line, _ := readLine(from, 6); string(line) != want {
			t.Errorf("%q, want %q", line, want)
		}
	}
}

// TestServers keeps apart what is known of several servers. A server that has another
// name now is found by its alias, and so is what an earlier version has written.
func TestServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, []byte(`{"server":"a:7420","at":{"epoch":"`+id("epoch", 0).String()+`","seq":7},"settled":true,`+
		`"subjects":[{"server":"a:7420","jobID":"`+id("job", 0).String()+`","first":"2026-11-26T22:00:00Z","seen":"2026-11-26T22:00:00Z"}],`+
		`"runs":[{"server":"a:7420","jobID":"`+id("job", 0).String()+`","job":"site","runID":"`+id("run", 0).String()+`"}]}`+"\n"+`{"settled":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from what the first has written
		b, err := Open(path, func(server string) string { return strings.TrimSuffix(server, ":7420") }, nil)
		if err != nil {
			t.Fatal(err)
		}
		subjects, runs := b.State()
		if b.At("a").Seq != 7 || !b.Learned("a") || b.Learned("b") || b.Learned("") || len(subjects) != 1 || subjects[0].Server != "a" || len(runs) != 1 || runs[0].Server != "a" {
			t.Errorf("at %v, learned %v, subjects %+v, runs %+v", b.At("a"), b.learned, subjects, runs)
		}
		b.Close()
	}
}
