package screen

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/notify"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/cmd/momclient/internal/termtest"
	"mom.internal/momclient"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

var update = flag.Bool("update", false, "write the screens in testdata")

// scene drives the boards of a screen with a clock of its own.
type scene struct {
	boards []*board.Board
	b      *board.Board // which the methods change
	now    time.Time
	seq    uint64
	runs   *runlog.Log // nil for none
	w      *Watcher    // with the model
}

func newScene() *scene {
	s := &scene{now: time.Date(2026, 11, 23, 10, 24, 3, 262_000_000, time.UTC)}
	s.server("S")
	return s
}

// server adds a server.
func (s *scene) server(name string) {
	s.b = board.New(name, "", jobs.Options{Now: func() time.Time { return s.now }})
	s.boards = append(s.boards, s.b)
	s.status(momclient.ConnectionStatus{Kind: momclient.Connecting})
}

func connectedScene() *scene {
	s := newScene()
	s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: id("epoch")})
	return s
}

func (s *scene) status(st momclient.ConnectionStatus) {
	st.Time, st.Server = s.now, "mirror.example:7420"
	s.b.Status(st)
}

// event is an event of a run of the job, with three packages of a MiB.
func (s *scene) event(name string, state wire.State, change func(*wire.Event)) {
	s.seq++
	s.b.Event(event(s.seq, name, state, func(e *wire.Event) {
		e.Data.Status.SentTime, e.Data.Status.ReceivedTime = s.now, s.now
		if change != nil {
			change(e)
		}
	}))
}

func id(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

func event(seq uint64, job string, state wire.State, change func(*wire.Event)) *wire.Event {
	e := &wire.Event{
		Seq: seq, JobID: id(job), RunID: id("run of " + job), Epoch: id("epoch"),
		Data: wire.TransferData{
			Initialize: &wire.InitializeData{Name: job},
			Status:     wire.Status{State: state, Final: state.EndsRun(false)},
			Progress:   wire.Progress{PackagesTotal: 3, FilesTotal: 120, BytesTotal: 3 << 20},
		},
	}
	if state != wire.JobInitialized && state != wire.JobCompleted && state != wire.ExportingError {
		e.Data.Header, e.Data.Body = &wire.PackageHeader{Number: 2, FileSize: 1 << 20}, &wire.PackageBody{Files: 40}
	}
	change(e)
	return e
}

// begin starts a run, and moves n KiB of its first package at 100 KiB per
// second.
func (s *scene) begin(name string, n int64) {
	s.event(name, wire.JobInitialized, nil)
	s.event(name, wire.PackageInitialized, func(e *wire.Event) { e.Data.Header.Number = 1 })
	s.now = s.now.Add(time.Duration(n) * 10 * time.Millisecond)
	s.event(name, wire.Transferring, func(e *wire.Event) {
		e.Data.Header.Number, e.Data.Header.SizeOfReceivedData = 1, n<<10
		e.Data.Body.Item = "visit/öppettider.html"
		e.Data.Progress.BytesDone = n << 10
	})
}

func (s *scene) end(name string, state wire.State, change func(*wire.Event)) {
	s.event(name, state, func(e *wire.Event) {
		e.Data.Progress = wire.Progress{PackagesDone: 3, PackagesTotal: 3, FilesDone: 120, FilesTotal: 120, BytesDone: 3 << 20, BytesTotal: 3 << 20}
		if state == wire.JobCompleted {
			e.Data.Status.SentTime = s.now.Add(-30 * time.Second)
		}
		if change != nil {
			change(e)
		}
	})
}

func failed(e *wire.Event) {
	e.Data.Progress = wire.Progress{PackagesDone: 1, PackagesFailed: 1, PackagesTotal: 3, FilesDone: 40, FilesTotal: 120, BytesDone: 1 << 20, BytesTotal: 3 << 20, Errors: 1}
	e.Data.Status.Log = []wire.LogEntry{{Time: e.Data.Status.ReceivedTime, Severity: wire.SeverityError, Item: "visit/map.pdf", Message: "no space left on device"}}
}

func warning(e *wire.Event) {
	e.Data.Progress.Warnings = 1
	e.Data.Status.Log = []wire.LogEntry{{Time: e.Data.Status.ReceivedTime, Severity: wire.SeverityWarning, Item: "news/draft.html", Message: "left out: it changed while it was read"}}
}

// scenes are the boards of the screens in testdata.
var scenes = map[string]func() *scene{
	"waiting": func() *scene {
		s := newScene()
		s.status(momclient.ConnectionStatus{Kind: momclient.Lost, Err: errors.New("cannot connect to mirror.example:7420: connection refused")})
		s.status(momclient.ConnectionStatus{Kind: momclient.Reconnecting, Attempt: 1, Delay: 5 * time.Second, Err: errors.New("cannot connect to mirror.example:7420: connection refused")})
		s.now = s.now.Add(2500 * time.Millisecond)
		return s
	},
	"empty": connectedScene,
	"one": func() *scene {
		s := connectedScene()
		s.begin("site to staging", 700)
		s.now = s.now.Add(time.Second)
		return s
	},
	"ended": func() *scene { // a run for each way to end
		s := connectedScene()
		s.begin("lost one", 100)
		s.event("lost one", wire.Transferring, func(e *wire.Event) { e.Missed, e.RunID = 12, id("another") })
		s.event("site to staging", wire.JobInitialized, nil)
		s.end("site to staging", wire.JobCompleted, nil)
		s.now = s.now.Add(time.Minute)
		s.begin("archive", 300)
		s.end("archive", wire.JobCompleted, func(e *wire.Event) { failed(e) })
		s.begin("pictures", 500)
		s.event("pictures", wire.PackageInitialized, func(e *wire.Event) { warning(e) })
		s.end("pictures", wire.TransferringError, failed)
		s.begin("news", 900)
		s.event("news", wire.PackageCompleted, func(e *wire.Event) {
			warning(e)
			e.Data.Header.Number = 1
			e.Data.Progress.PackagesDone, e.Data.Progress.FilesDone, e.Data.Progress.BytesDone = 1, 40, 1<<20
		})
		return s
	},
	"outcomes": func() *scene { // what has words of its own
		s := connectedScene()
		s.end("every package failed", wire.JobCompleted, func(e *wire.Event) {
			failed(e)
			e.Data.Status.Outcome = wire.Failed
		})
		s.begin("broken off", 300)
		s.event("broken off", wire.ExportingError, func(e *wire.Event) {
			e.Data.Status.Outcome = wire.Cancelled
			e.Data.Status.Log = []wire.LogEntry{{Time: s.now, Severity: wire.SeverityWarning, Message: "cancelled: interrupted"}}
			e.Data.Initialize.DryRun = true
		})
		s.event("cancelled before it knew", wire.ExportingError, func(e *wire.Event) {
			e.Data.Status.Outcome = wire.Cancelled
			e.Data.Progress = wire.Progress{}
		})
		s.end("only tried", wire.JobCompleted, func(e *wire.Event) {
			e.Data.Initialize.DryRun = true
			e.Data.Progress.FilesSkipped, e.Data.Progress.FilesDeleted, e.Data.Progress.FilesChecked, e.Data.Progress.Retries = 12, 3, 132, 1
		})
		for n := range 3 { // a package in two seconds
			s.event("layers", wire.Transferring, func(e *wire.Event) {
				e.Data.Header = &wire.PackageHeader{Number: n + 1, SizeOfReceivedData: 600 << 10}
				e.Data.Progress = wire.Progress{PackagesDone: n, PackagesTotal: 8, OpenThousandths: 500, BytesDone: int64(n) * 600 << 10}
			})
			s.now = s.now.Add(2 * time.Second)
		}
		s.event("scanned", wire.JobInitialized, func(e *wire.Event) {
			e.Data.Progress = wire.Progress{FilesChecked: 1234}
			e.Data.Body = &wire.PackageBody{Item: "visit/map.pdf"}
			e.Data.Initialize.DryRun = true
		})
		return s
	},
	"fifty": func() *scene {
		s := connectedScene()
		for i := range 50 {
			name := fmt.Sprintf("branch office %02d to staging", i)
			s.begin(name, 200)
			switch {
			case i%10 == 3:
				s.end(name, wire.ImportingError, failed)
			case i%3 == 0:
				s.end(name, wire.JobCompleted, nil)
			}
		}
		return s
	},
	"many packages": func() *scene {
		s := connectedScene()
		for _, name := range []string{"north", "south"} {
			s.begin(name, 400)
			for i := range 40 {
				s.event(name, wire.PackageInitialized, func(e *wire.Event) { e.Data.Header.Number = i + 2 })
			}
		}
		return s
	},
	"server lost": func() *scene {
		s := connectedScene()
		s.begin("site to staging", 700)
		s.status(momclient.ConnectionStatus{Kind: momclient.Lost, Err: errors.New("mirror.example:7420 has not answered for 5s")})
		s.now = s.now.Add(75 * time.Second)
		return s
	},
	"server restarted": func() *scene {
		s := connectedScene()
		s.begin("site to staging", 700)
		s.status(momclient.ConnectionStatus{Kind: momclient.Lost, Err: errors.New("cut")})
		s.now = s.now.Add(75 * time.Second)
		s.status(momclient.ConnectionStatus{Kind: momclient.Resumed, Epoch: id("next"), NewEpoch: true})
		return s
	},
	"refused": func() *scene {
		s := newScene()
		s.status(momclient.ConnectionStatus{Kind: momclient.Refused, Err: errors.New("wrong token"), Final: true})
		return s
	},
	"hostile": func() *scene {
		s := connectedScene()
		for _, name := range []string{
			"\x1b[31m\x1b[2J\x1b]0;title\a\r\n", "日本語のとても長い名前のサイトからステージングへの鏡", "a\u0300\u0301\u0302\u0303 o\u0308ppettider",
			"🚢🚢 harbour 🏳\ufe0f", "\u202eright to left", "\xff\xfe broken", "", "<img src=x onerror=alert(1)>", strings.Repeat("x", 3000),
		} {
			s.begin(name, 50)
			s.event(name, wire.Transferring, func(e *wire.Event) {
				e.Data.Body.Item = name
				e.Data.Header.FileSize, e.Data.Header.SizeOfReceivedData, e.Data.Header.Number = -5, 1<<62, math.MinInt
				e.Data.Progress = wire.Progress{PackagesDone: math.MinInt, PackagesTotal: math.MaxInt, FilesDone: math.MaxInt, FilesTotal: 1, BytesDone: -1 << 62, BytesTotal: 1<<63 - 1, Warnings: math.MaxInt, Errors: -1}
				e.Data.Status.Log = []wire.LogEntry{{Severity: wire.SeverityError, Item: name, Message: name}}
				e.Data.Status.ReceivedTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
			})
		}
		return s
	},
}

// names are difficult names.
var names = []string{
	"日本語のとても長い名前のサイトからステージングへの鏡", "서울 사무소에서 스테이징으로", "👩\u200d👩\u200d👧\u200d👦 family", "🏳\ufe0f\u200d🌈 flags 🇸🇪🇩🇪 👍🏽 ❤\ufe0f",
	"אתר הבית 12 לשרת הבדיקות", "الموقع إلى المرآة 7", "a\u0300\u0301\u0302\u0303 o\u0308ppettider", strings.Repeat("long name ", 20) + "end", "x",
}

// withHistory gives the job a history, and begins a run of it.
func withHistory(s *scene, name string) {
	s.runs, _ = runlog.Open("", nil)
	add := func(ago time.Duration, change func(*runlog.Run)) {
		r := &runlog.Run{Server: "S", JobID: id(name), Job: name, RunID: uuid.NewSHA1(id(name), []byte(ago.String())), Outcome: wire.Succeeded, Ended: s.now.Add(-ago)}
		r.Started = r.Ended.Add(-90 * time.Second)
		change(r)
		s.runs.Add(r)
	}
	moved := func(r *runlog.Run) { r.Packages, r.Files, r.Bytes = 3, 120, 3<<20 }
	add(40*time.Hour, moved)
	for i := range 5 {
		add(time.Duration(39-i)*time.Hour, func(*runlog.Run) {})
	}
	add(20*time.Hour, func(r *runlog.Run) {
		r.Outcome, r.Errors, r.Error = wire.Failed, 1, &runlog.Error{Item: "visit/map.pdf", Message: "no space left on device"}
	})
	add(10*time.Hour, func(r *runlog.Run) { r.Outcome, r.Lost = 0, jobs.LostByRestart })
	s.begin(name, 700)
	s.event(name, wire.PackageInitialized, func(e *wire.Event) { warning(e) })
	for range 3 {
		s.event(name, wire.Transferring, func(e *wire.Event) {
			warning(e)
			e.Data.Status.Log[0].Message = "left out: " + strings.Repeat("a long reason, ", 12) + "and its end"
		})
	}
}

func init() {
	scenes["names"] = func() *scene {
		s := connectedScene()
		for i, name := range names {
			s.begin(name, 50)
			if i%4 == 3 {
				s.end(name, wire.ImportingError, failed)
			}
		}
		return s
	}
	scenes["alone"] = func() *scene {
		s := connectedScene()
		withHistory(s, "site to staging")
		return s
	}
	scenes["open job"] = func() *scene {
		s := scenes["alone"]()
		s.begin("another", 10)
		return s.typed("/site\r\r")
	}
	scenes["open failure"] = func() *scene { return scenes["fifty"]().typed("\x1b[B\r") }
	scenes["past only"] = func() *scene { // the server has not said anything yet
		s := newScene()
		withHistory(s, "site to staging")
		s.boards, s.b = nil, nil
		s.server("S")
		return s
	}
	scenes["filter"] = func() *scene { return scenes["fifty"]().typed("\x1b[6~/Office 4 fail") }
	scenes["paused"] = func() *scene {
		s := scenes["fifty"]().typed("\x1b[Fp")
		s.w.model.filter = "rest"
		return s
	}
	scenes["help"] = func() *scene { return scenes["fifty"]().typed("?") }
	scenes["servers"] = func() *scene {
		s := connectedScene()
		s.begin("site to staging", 400)
		s.server("tokyo")
		s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: id("epoch")})
		s.begin("site to staging", 300)
		s.begin("news", 200)
		s.end("news", wire.JobCompleted, nil)
		s.status(momclient.ConnectionStatus{Kind: momclient.Lost, Err: errors.New("mirror.example:7420 has not answered for 5s")})
		s.status(momclient.ConnectionStatus{Kind: momclient.Reconnecting, Attempt: 1, Delay: 25 * time.Second, Err: errors.New("cannot connect to mirror.example:7420: no route to host")})
		s.server("oslo")
		s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: id("epoch")})
		s.begin("pictures", 900)
		s.end("pictures", wire.TransferringError, failed)
		s.status(momclient.ConnectionStatus{Kind: momclient.Draining})
		s.now = s.now.Add(12 * time.Second)
		w := s.watcher()
		w.Page("http://127.0.0.1:8420/")
		w.Receivers = func() []notify.Status {
			return []notify.Status{{Receiver: "https://hooks.example", Waiting: 3, Oldest: s.now.Add(-time.Hour), Error: "connection refused"}, {Receiver: "sh", Waiting: 1, Oldest: s.now}}
		}
		return s
	}
	scenes["2000 jobs"] = func() *scene {
		s := &scene{now: time.Date(2026, 11, 23, 10, 24, 3, 262_000_000, time.UTC)}
		for n := range 20 {
			s.server(fmt.Sprintf("mirror%02d.example:7420", n))
			s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: id("epoch")})
			for i := range 100 {
				name := fmt.Sprintf("branch office %02d-%02d to staging", n, i)
				s.begin(name, 1)
				switch {
				case i == 13:
					s.end(name, wire.ImportingError, failed)
				case i%3 == 0:
					s.end(name, wire.JobCompleted, nil)
				}
			}
		}
		return s
	}
	scenes["unknown"] = func() *scene {
		s := connectedScene()
		w := s.watcher()
		w.Jobs.Names = []string{"nosuch"}
		w.Notice(`no job is named "nosuch" so far; the jobs are "site to staging", "news", "pictures", "archive"`)
		w.Page("http://mirror-monitor.operations.example:8420/")
		return s
	}
}

// watcher returns the watcher of the scene, which has the state of the boards.
func (s *scene) watcher() *Watcher {
	if s.w == nil {
		n := len(s.boards)
		s.w = &Watcher{Options: Options{Boards: s.boards, Runs: s.runs}, model: newModel(n), versions: make([]uint64, n)}
	}
	s.w.take(s.now, true)
	s.w.model.arrange(s.now)
	s.w.model.look(s.boards, s.runs)
	return s.w
}

// typed presses keys.
func (s *scene) typed(keys string) *scene {
	m := s.watcher().model
	var d decoder
	for _, k := range append(d.keys([]byte(keys), s.now), d.keys(nil, s.now.Add(time.Second))...) {
		m.act(k, s.now)
		m.arrange(s.now)
	}
	return s
}

// drawn returns the terminal after one frame of the scene.
func (s *scene) drawn(t *testing.T, look look, cols, rows int) (*termtest.Screen, string) {
	t.Helper()
	return s.drawnOn(t, termtest.NewScreen(cols+40, rows+5), look, cols, rows) // so that cells outside of the screen show
}

func (s *scene) drawnOn(t *testing.T, term *termtest.Screen, look look, cols, rows int) (*termtest.Screen, string) {
	t.Helper()
	m := s.watcher().model
	l := layout{look: look, loc: time.UTC, keys: true}
	var out strings.Builder
	p := painter{w: &out}
	f := l.draw(m, cols, rows)
	m.drawn(&f)
	if err := p.paint(f.lines, cols, rows, false); err != nil {
		t.Fatal(err)
	}
	term.Write([]byte(out.String()))
	if len(term.Unknown) > 0 || term.Syncing {
		t.Errorf("the terminal got %q", term.Unknown)
	}
	for i, line := range term.Cells {
		for j, cell := range line {
			if (i >= rows || j >= cols && !term.Older) && cell.Text != " " {
				t.Fatalf("%q in line %d, column %d is outside of %d×%d:\n%s", cell.Text, i+1, j+1, cols, rows, term.Text())
			}
		}
	}
	return term, out.String()
}

// marked returns the text with a mark before the selected row.
func marked(s *termtest.Screen) string {
	lines := strings.SplitAfter(s.Text(), "\n")
	for i := range lines {
		if i < len(s.Cells) && s.Cells[i][0].Reverse && s.Cells[i][1].Reverse {
			lines[i] = ">" + lines[i]
		} else if lines[i] != "" && lines[i] != "\n" {
			lines[i] = " " + lines[i]
		}
	}
	return strings.Join(lines, "")
}

// TestScreens compares the screens with those of testdata, in three usual sizes.
func TestScreens(t *testing.T) {
	for name, scene := range scenes {
		if name == "hostile" && math.MaxInt == math.MaxInt32 {
			continue // its counts need 64 bits
		}
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
			term, _ := scene().drawn(t, look{color: true}, size[0], size[1])
			path := filepath.Join("testdata", fmt.Sprintf("%s-%dx%d.txt", strings.ReplaceAll(name, " ", "-"), size[0], size[1]))
			if *update {
				if err := os.WriteFile(path, []byte(marked(term)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || marked(term) != string(want) {
				t.Errorf("%s, %v: got\n%swant\n%s", path, err, marked(term), want)
			}
		}
	}
}

// TestScreenSizes draws each scene in unusual sizes. Nothing is outside of the
// screen.
func TestScreenSizes(t *testing.T) {
	for _, scene := range scenes {
		for _, cols := range []int{1, 2, 7, 19, 39, 60, 79, 99, 100, 333} {
			for _, rows := range []int{1, 2, 3, 5, 9, 120} {
				scene().drawn(t, look{}, cols, rows)
			}
		}
	}
}

var colors = regexp.MustCompile(`\x1b\[[0-9;]*(3|4|9|10)[0-9]m`)

// TestScreenColors: NO_COLOR removes all colours, and no word.
func TestScreenColors(t *testing.T) {
	for name, scene := range scenes {
		colored, bytes := scene().drawn(t, look{color: true}, 80, 24)
		if name != "empty" && !colors.MatchString(bytes) {
			t.Errorf("%s has no colour", name)
		}
		bare, bytes := scene().drawn(t, newLook(func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }), 80, 24)
		if colors.MatchString(bytes) {
			t.Errorf("%s has colour: %q", name, bytes)
		}
		if bare.Text() != colored.Text() {
			t.Errorf("%s: without colour\n%swith\n%s", name, bare.Text(), colored.Text())
		}
	}
}

// TestScreenASCII: on a terminal without UTF-8 the layout itself is in ASCII.
func TestScreenASCII(t *testing.T) {
	for value, ascii := range map[string]bool{"C": true, "POSIX": true, "de_DE.ISO-8859-1": true, "": false, "C.UTF-8": false, "sv_SE.utf8": false} {
		look := newLook(func(name string) string { return map[string]string{"LANG": value}[name] })
		if look.ascii != ascii {
			t.Errorf("LANG=%s: ascii %v", value, look.ascii)
		}
		for _, name := range []string{"fifty", "ended", "open failure", "paused", "filter", "2000 jobs"} {
			term, _ := scenes[name]().drawn(t, look, 80, 24)
			if has := strings.ContainsFunc(term.Text(), func(r rune) bool { return r > 0x7e }); has && ascii || !has && !ascii && name == "fifty" {
				t.Errorf("%s, LANG=%s:\n%s", name, value, term.Text())
			}
		}
	}
}

// TestScreenColumns: in each row, the columns begin in the same place, whatever the
// names are and however wide the terminal draws them.
func TestScreenColumns(t *testing.T) {
	for _, older := range []bool{false, true} {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
			term := termtest.NewScreen(size[0]+40, size[1]+5)
			term.Older = older
			scenes["names"]().drawnOn(t, term, look{color: true}, size[0], size[1])
			column := -1
			for i, row := range term.Cells[4 : 4+len(names)] {
				var at []int
				for j := range row[:len(row)-6] {
					word := ""
					for _, cell := range row[j : j+6] {
						word += cell.Text
					}
					if word == "transf" || word == "failed" || word == "import" {
						at = append(at, j)
					}
				}
				if len(at) == 0 || column >= 0 && at[0] != column {
					t.Fatalf("older %v, %v: the state of row %d is at %v, not at %d:\n%s", older, size, i, at, column, term.Text())
				}
				column = at[0]
			}
			if most := size[0]/2 + 2; column > most {
				t.Errorf("%v: names take %d columns", size, column)
			}
		}
	}
}

// TestNameWidth: a name is whole while there is room for it, and files and the rate go
// before it is cut below 24 columns.
func TestNameWidth(t *testing.T) {
	name := "branch office number 07 to s" // 28 columns
	for cols := 30; cols < 200; cols++ {
		s := connectedScene()
		s.begin(name, 100)
		s.begin("another", 100)
		term, _ := s.drawn(t, look{}, cols, 24)
		text := term.Text()
		if numbers := strings.Contains(text, "FILES") || strings.Contains(text, "RATE"); numbers && !strings.Contains(text, name) && !strings.Contains(text, "branch offi") {
			t.Errorf("%d columns:\n%s", cols, text)
		}
		if cols >= 80 && !strings.Contains(text, name[:20]) && !strings.Contains(text, "branch offic…er 07 to s") {
			t.Errorf("%d columns:\n%s", cols, text)
		}
		if cols < 48 && strings.Contains(text, name) {
			t.Errorf("%d columns: a name of %d has more than half\n%s", cols, len(name), text)
		}
	}
}

// TestProblemsStay: the problems do not move when a package begins or ends.
func TestProblemsStay(t *testing.T) {
	s := connectedScene()
	s.begin("site to staging", 100)
	s.begin("another", 100)
	for n := range 12 {
		s.event("another", wire.Transferring, func(e *wire.Event) {
			warning(e)
			e.Data.Status.Log[0].Message = fmt.Sprint("left out ", n)
		})
	}
	at := func() int {
		term, _ := s.drawn(t, look{}, 80, 24)
		before, _, _ := strings.Cut(term.Text(), "LATEST")
		return strings.Count(before, "\n")
	}
	first := at()
	for n := range 10 {
		s.event("another", wire.PackageInitialized, func(e *wire.Event) { e.Data.Header.Number = n + 5 })
	}
	if second := at(); second != first {
		t.Errorf("in line %d, then in line %d", first, second)
	}
}

// TestNoKeys: without keys no row is selected, and the last line says how to quit.
func TestNoKeys(t *testing.T) {
	l := layout{loc: time.UTC}
	f := l.draw(scenes["fifty"]().watcher().model, 80, 24)
	if text := strings.Join(f.lines, "\n"); strings.Contains(text, "\x1b["+reverse) || !strings.HasPrefix(f.lines[23], "\x1b["+dim+"mCtrl-C quits") || !strings.Contains(f.lines[23], "1–13 of 50") {
		t.Errorf("%q", text)
	}
}

// TestNarrowReason: if there is no room for the reason of a failure, the number is not
// replaced by its beginning.
func TestNarrowReason(t *testing.T) {
	for cols, want := range map[int]string{40: "failed        33%", 80: "failed       no space left on device"} {
		term, _ := scenes["fifty"]().drawn(t, look{}, cols, 24)
		if text := term.Text(); !strings.Contains(text, want) {
			t.Errorf("%d columns:\n%s\nwant %q", cols, text, want)
		}
	}
}
