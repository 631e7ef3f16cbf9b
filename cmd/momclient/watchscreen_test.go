package main

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

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/vt"
	"mom.internal/momclient"
	"mom.internal/wire"
)

var update = flag.Bool("update", false, "write the screens of testdata/watch anew")

// scene drives a board by a clock of its own.
type scene struct {
	b   *board.Board
	now time.Time
	seq uint64
}

func newScene() *scene {
	s := &scene{now: at}
	s.b = board.New(board.Options{Now: func() time.Time { return s.now }})
	s.status(momclient.ConnectionStatus{Kind: momclient.Connecting})
	return s
}

func connectedScene() *scene {
	s := newScene()
	s.status(momclient.ConnectionStatus{Kind: momclient.Connected, Epoch: jobID("epoch")})
	return s
}

func (s *scene) status(st momclient.ConnectionStatus) {
	st.Time, st.Server = s.now, "mirror.example:7420"
	s.b.Status(st)
}

// event is an event of the job of the name: a run of three packages of a MiB.
func (s *scene) event(name string, state wire.State, change func(*wire.Event)) {
	s.seq++
	s.b.Event(event(s.seq, state, func(e *wire.Event) {
		e.JobID, e.RunID = jobID(name), jobID("run of "+name)
		e.Data.Initialize = &wire.InitializeData{Name: name}
		e.Data.Progress = wire.Progress{PackagesTotal: 3, FilesTotal: 120, BytesTotal: 3 << 20}
		e.Data.Status.SentTime, e.Data.Status.ReceivedTime, e.Data.Status.Final = s.now, s.now, state.EndsRun(false)
		if change != nil {
			change(e)
		}
	}))
}

// begin starts a run and moves its first package to n KiB in as many seconds
// as make 100 KiB a second.
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

// end ends the run.
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

// scenes are what the screens of testdata/watch show.
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
	"ended": func() *scene { // one in each way
		s := connectedScene()
		s.begin("lost one", 100)
		s.event("lost one", wire.Transferring, func(e *wire.Event) { e.Missed, e.RunID = 12, jobID("another") })
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
		s.status(momclient.ConnectionStatus{Kind: momclient.Resumed, Epoch: jobID("next"), NewEpoch: true})
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

// drawn returns the terminal after one frame of the scene.
func (s *scene) drawn(t *testing.T, look look, cols, rows int) (*vt.Screen, string) {
	t.Helper()
	v := s.b.View()
	sc := screen{look: look, loc: time.UTC, keys: true}
	var out strings.Builder
	p := painter{w: &out}
	if err := p.paint(sc.render(&v, cols, rows), cols, rows, false); err != nil {
		t.Fatal(err)
	}
	term := vt.New(cols+40, rows+5) // what goes over the edge shows
	term.Write([]byte(out.String()))
	if len(term.Unknown) > 0 || term.Syncing {
		t.Errorf("the terminal got %q", term.Unknown)
	}
	for i, line := range term.Cells {
		for j, cell := range line {
			if (i >= rows || j >= cols) && cell.Text != " " {
				t.Fatalf("%q in line %d, column %d is outside of %d×%d", cell.Text, i+1, j+1, cols, rows)
			}
		}
	}
	return term, out.String()
}

// TestScreens holds the screens to those of testdata/watch, at the sizes that
// people have.
func TestScreens(t *testing.T) {
	for name, scene := range scenes {
		if name == "hostile" && math.MaxInt == math.MaxInt32 {
			continue // its counts are those of 64 bits
		}
		for _, size := range [][2]int{{80, 24}, {200, 50}} {
			term, _ := scene().drawn(t, look{color: true}, size[0], size[1])
			path := filepath.Join("testdata", "watch", fmt.Sprintf("%s-%dx%d.txt", strings.ReplaceAll(name, " ", "-"), size[0], size[1]))
			if *update {
				if err := os.WriteFile(path, []byte(term.Text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || term.Text() != string(want) {
				t.Errorf("%s, %v: got\n%swant\n%s", path, err, term.Text(), want)
			}
		}
	}
}

// TestScreenSizes draws each scene at absurd sizes: nothing goes over the edge.
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

// TestScreenColors: NO_COLOR leaves no colour, and no word out.
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

// TestScreenASCII: a terminal without UTF-8 gets none of the monitor's own.
func TestScreenASCII(t *testing.T) {
	for value, ascii := range map[string]bool{"C": true, "POSIX": true, "de_DE.ISO-8859-1": true, "": false, "C.UTF-8": false, "sv_SE.utf8": false} {
		look := newLook(func(name string) string { return map[string]string{"LANG": value}[name] })
		if look.ascii != ascii {
			t.Errorf("LANG=%s: ascii %v", value, look.ascii)
		}
		term, _ := scenes["fifty"]().drawn(t, look, 80, 24)
		if has := strings.ContainsFunc(term.Text(), func(r rune) bool { return r > 0x7e }); has == ascii {
			t.Errorf("LANG=%s:\n%s", value, term.Text())
		}
	}
}

// TestWords holds the words to their widths.
func TestWords(t *testing.T) {
	most := "9999M"
	if math.MaxInt == math.MaxInt32 {
		most = "2147M"
	}
	for _, tc := range []struct{ got, want string }{
		{ageWord(-time.Second), "0s"}, {ageWord(59 * time.Second), "59s"}, {ageWord(time.Hour - 1), "59m"}, {ageWord(47 * time.Hour), "47h"}, {ageWord(999 * 24 * time.Hour), "999d"}, {ageWord(1 << 62), "old"},
		{leftWord(0), ""}, {leftWord(59), "59s"}, {leftWord(65), "1m05s"}, {leftWord(3599), "59m59s"}, {leftWord(3720), "1h02m"}, {leftWord(30 * 24 * 3600), "30d00h"},
		{rateWord(0), ""}, {rateWord(999), "999B/s"}, {rateWord(1000), "1.0K/s"}, {rateWord(60_000), "58.6K/s"}, {rateWord(600_000), "586K/s"}, {rateWord(1_023_000), "999K/s"}, {rateWord(1_024_000), "1.0M/s"}, {rateWord(1 << 62), "4.0E/s"},
		{countWord(99_999), "99999"}, {countWord(100_000), "100k"}, {countWord(math.MaxInt), most}, {countWord(math.MinInt), "?"},
		{ofWord(3, 12), "3/12"}, {ofWord(3, 0), "3"}, {ofWord(0, 0), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%q; want %q", tc.got, tc.want)
		}
	}
}

// TestSummary holds what is left on the normal screen.
func TestSummary(t *testing.T) {
	v := scenes["ended"]().b.View()
	want := `news: imported, 40 files, 1 package, 1 warning, 1.0 MiB
lost one: transferring, 0 files, 0 packages
pictures: transfer failed, 40 files, 1 package, 1 package failed, 1 error, 1.0 MiB in 5s
  visit/map.pdf: no space left on device
archive: with errors, 40 files, 1 package, 1 package failed, 1 error, 1.0 MiB in 3s
  visit/map.pdf: no space left on device
site to staging: completed, 120 files, 3 packages, 3.0 MiB
mirror.example:7420: 19 events, 12 missed, resumed 0 times
`
	if got := (&screen{loc: time.UTC}).summary(&v); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	v = scenes["fifty"]().b.View()
	if got := (&screen{}).summary(&v); !strings.Contains(got, "\n… and 30 more jobs\n") || strings.Count(got, "\n") > 2*maxSummary+2 {
		t.Errorf("got\n%s", got)
	}
}

// writes counts the writes, and keeps the last.
type writes struct {
	n    int
	last string
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	w.last = string(p)
	return len(p), nil
}

// TestPaint: a frame is one write, of what has changed.
func TestPaint(t *testing.T) {
	var w writes
	p := painter{w: &w}
	lines := func(text string) []string { return strings.Split(text, "|") }
	for _, step := range []struct {
		lines string
		cols  int
		whole bool
		n     int
		want  string
	}{
		{"one|two", 10, false, 1, "\x1b[H\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo\x1b[3;1H\x1b[K"},
		{"one|two", 10, false, 1, ""},
		{"one|three", 10, false, 2, "\x1b[2;1H\x1b[Kthree"},
		{"one", 10, false, 3, "\x1b[2;1H\x1b[K"},
		{"one", 10, true, 4, "\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"},
		{"one", 9, false, 5, "\x1b[H\x1b[2J\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[K\x1b[3;1H\x1b[K"},
	} {
		w.last = ""
		p.paint(lines(step.lines), step.cols, 3, step.whole)
		if step.want != "" {
			step.want = beginFrame + step.want + endFrame
		}
		if w.n != step.n || w.last != step.want {
			t.Errorf("%q: %d writes, %q; want %d, %q", step.lines, w.n, w.last, step.n, step.want)
		}
	}
}
