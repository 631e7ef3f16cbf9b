package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/board"
	"mom.internal/cmd/momclient/internal/runlog"
	"mom.internal/momclient/jobs"
	"mom.internal/wire"
)

// names returns the names of the rows.
func (m *model) shown() (names []string) {
	for _, e := range m.rows {
		names = append(names, e.name)
	}
	return names
}

// TestTableKeys presses keys in a table of fifty jobs, of which ten are on the screen.
func TestTableKeys(t *testing.T) {
	const first, last = "branch office 43 to staging", "branch office 48 to staging"
	for keys, want := range map[string]struct {
		row  string
		more string
	}{
		"":                   {first, "top"},
		"\x1b[B":             {"branch office 33 to staging", ""},
		"jjk":                {"branch office 33 to staging", ""},
		"\x1b[B\x1b[A\x1b[A": {first, "top"},
		"\x1b[6~":            {"branch office 07 to staging", ""},
		"\x1b[6~\x1b[5~":     {first, "top"},
		"\x1b[F":             {last, ""},
		"G\x1b[B":            {last, ""},
		"G\x1b[H":            {first, "top"},
		"jj\x1b":             {first, "top"},
		"\r":                 {first, "open"},
		"j\r\x1b":            {"branch office 33 to staging", ""},
		"j\r/sj\x1b":         {"branch office 33 to staging", ""}, // there is no filter in an open job
		"/49\r":              {"branch office 49 to staging", "top filter 49"},
		"/office 49 RUN\r":   {"branch office 49 to staging", "top filter office 49 RUN"},
		"/49\x1b":            {first, "top"},
		"/49\r\x1b":          {first, "top"},
		"/49\r/x\x1b":        {"branch office 49 to staging", "top filter 49"},
		"j/33\r\x1b":         {"branch office 33 to staging", ""}, // the selection follows its job
		"/4x\x7f9":           {"branch office 49 to staging", "top typing filter 49"},
		"/44\x159":           {"branch office 19 to staging", "top typing filter 9"},
		"/q?\x1b[B":          {"", "top typing filter q?"},
		"/" + beginPaste + "4\n9\x1b[2J" + endPaste: {"", "top typing filter 4 9[2J"},
		beginPaste + "q\r" + endPaste:               {first, "top"}, // pasted keys are no commands
		beginPaste + "q" + endPaste:                 {first, "top"},
		"?":                                         {first, "top help"},
		"?q":                                        {first, "top help quit"},
		"?\x1b":                                     {first, "top"},
		"??":                                        {first, "top"},
		"?j":                                        {first, "top help"},
		"p":                                         {first, "top paused"},
		"pp":                                        {first, "top"},
		"s":                                         {"branch office 00 to staging", "top by name"},
		"ssss":                                      {"branch office 00 to staging", "top by size"},
		"sssss":                                     {first, "top"},
		"q":                                         {first, "top quit"},
		"\rq":                                       {first, "open quit"},
		"xyz\x01":                                   {first, "top"},
		"/nothing has this\r\r\x1b[B\t":             {"", "top filter nothing has this"},
	} {
		s := scenes["fifty"]()
		m := s.watcher().model
		m.height = 10
		quit := false
		var d decoder
		for _, k := range append(d.keys([]byte(keys), s.now), d.keys(nil, s.now.Add(time.Second))...) {
			quit = m.act(k, s.now) || quit
			m.arrange(s.now)
		}
		var is []string
		for _, flag := range []struct {
			word string
			is   bool
		}{{"top", m.selected == place{}}, {"open", m.open}, {"typing", m.typing}, {"help", m.help}, {"paused", m.paused}, {"filter " + m.filter, m.filter != ""},
			{"by " + orderNames[m.list.order], m.list.order != byState}, {"quit", quit}} {
			if flag.is {
				is = append(is, flag.word)
			}
		}
		row := ""
		if e := m.current(); e != nil {
			row = e.name
		}
		if got := strings.Join(is, " "); row != want.row || got != want.more {
			t.Errorf("%q: at %q, %q; want %q, %q", keys, row, got, want.row, want.more)
		}
	}
}

// TestLongFilter: a text that is pasted into the filter is cut.
func TestLongFilter(t *testing.T) {
	s := scenes["fifty"]().typed("/" + beginPaste + strings.Repeat("ö", 3000) + endPaste)
	if n := len([]rune(s.w.model.filter)); n != maxFilter {
		t.Errorf("%d characters", n)
	}
	term, _ := s.drawn(t, look{}, 80, 24)
	if text := term.Text(); !strings.Contains(text, "/ööööö") {
		t.Errorf("%s", text)
	}
}

// TestTextKeys scrolls an open job and the help.
func TestTextKeys(t *testing.T) {
	for keys, want := range map[string]int{"": 0, "\x1b[B": 1, "jjk": 1, "\x1b[A": 0, "\x1b[6~": 6, " ": 6, "\x1b[6~\x1b[5~": 0, "G": 20, "\x1b[F": 20, "Gg": 0, "\t": 3, "\t\t": 9, "\t\t\t": 18, "\t\t\t\t": 20, "\t\t\t\t\t": 0, "GG\x1b[6~": 20} {
		for _, m := range []*model{{help: true}, {open: true}} {
			m.list, m.height, m.scrolls, m.heads = newList(), 7, 20, []int{3, 9, 18, 25}
			var d decoder
			for _, k := range d.keys([]byte(keys), time.Time{}) {
				m.act(k, time.Time{})
			}
			if m.scroll != want {
				t.Errorf("%q: line %d; want %d", keys, m.scroll, want)
			}
		}
	}
}

// TestWindow keeps the selected row on the screen, and moves no more than it must.
func TestWindow(t *testing.T) {
	for _, tc := range []struct{ top, row, total, height, want int }{
		{0, 0, 50, 10, 0}, {0, 9, 50, 10, 0}, {0, 10, 50, 10, 1}, {5, 3, 50, 10, 3}, {5, 14, 50, 10, 5}, {5, 15, 50, 10, 6},
		{45, 49, 50, 10, 40}, {40, 49, 50, 10, 40}, {40, 8, 9, 10, 0}, {0, 0, 0, 10, 0}, {3, 0, 1, 1, 0},
	} {
		if got := window(tc.top, tc.row, tc.total, tc.height); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}

// TestOrder: a job that fails moves up at once, and other rows move only when a run has
// lasted, or is over for a time. The selection follows its job.
func TestOrder(t *testing.T) {
	s := connectedScene()
	for _, name := range []string{"d", "c", "b", "a"} {
		s.event(name, wire.JobInitialized, nil)
		s.end(name, wire.JobCompleted, nil)
	}
	s.now = s.now.Add(time.Minute)
	runs := 0
	run := func(name string, state wire.State, change func(*wire.Event)) {
		s.event(name, state, func(e *wire.Event) {
			e.RunID = uuid.NewSHA1(id(name), []byte{byte(runs)})
			if change != nil {
				change(e)
			}
		})
	}
	want := func(order, selected string) {
		t.Helper()
		m := s.watcher().model
		if got := strings.Join(m.shown(), ""); got != order || m.current().name != selected {
			t.Errorf("%s, at %s; want %s, at %s", got, m.current().name, order, selected)
		}
	}
	want("abcd", "a")
	s.typed("jj") // c
	runs++
	run("d", wire.JobInitialized, nil)
	want("abcd", "c") // perhaps only for a moment
	s.now = s.now.Add(promoteAfter - 1)
	want("abcd", "c")
	s.now = s.now.Add(1)
	want("abcd", "c") // the rows are being read
	s.now = s.now.Add(readingTime - promoteAfter)
	want("dabc", "c")
	run("d", wire.JobCompleted, nil)
	want("dabc", "c")
	s.now = s.now.Add(demoteAfter - 1)
	want("dabc", "c")
	s.now = s.now.Add(1)
	want("abcd", "c")
	runs++
	run("b", wire.ExportingError, failed)
	want("bacd", "c")
	runs++
	s.now = s.now.Add(time.Millisecond)
	run("c", wire.ExportingError, failed)
	s.now = s.now.Add(time.Second)
	want("cbad", "c") // what failed last is first
	runs++
	run("b", wire.JobInitialized, nil)
	run("b", wire.ExportingError, failed)
	want("cbad", "c") // its row does not move within the class
	runs++
	run("a", wire.JobInitialized, nil)
	run("a", wire.Transferring, warning)
	want("cbad", "c")
	run("d", wire.JobInitialized, nil)
	run("d", wire.Transferring, failed) // an error while it runs
	want("cbda", "c")
	runs++
	run("c", wire.JobInitialized, nil)
	run("c", wire.JobCompleted, nil)
	want("cbda", "c") // good news may wait
	s.now = s.now.Add(demoteAfter)
	want("bdac", "c")
}

// TestFailedAgain: a job that failed stays on top while it runs again, and after a run
// that was cancelled, until a run has succeeded.
func TestFailedAgain(t *testing.T) {
	s := connectedScene()
	s.runs, _ = runlog.Open("", nil)
	runs := 0
	run := func(state wire.State, change func(*wire.Event)) {
		s.event("z", state, func(e *wire.Event) {
			e.RunID = uuid.NewSHA1(id("z"), []byte{byte(runs)})
			if change != nil {
				change(e)
			}
		})
	}
	ends := func(outcome wire.Outcome) {
		s.runs.Add(&runlog.Run{Server: "S", JobID: id("z"), RunID: uuid.NewSHA1(id("z"), []byte{byte(runs)}), Started: s.now, Ended: s.now, Outcome: outcome, Error: &runlog.Error{Message: "no space left"}})
		s.now = s.now.Add(demoteAfter)
	}
	want := func(order, row, count string) {
		t.Helper()
		term, _ := s.drawn(t, look{}, 80, 24)
		if got := strings.Join(s.w.model.shown(), ""); got != order {
			t.Errorf("%s; want %s", got, order)
		}
		if text := term.Text(); !strings.Contains(text, row) || !strings.Contains(text, count) {
			t.Errorf("%s\nwant %q and %q", text, row, count)
		}
	}
	s.begin("a", 10)
	run(wire.ExportingError, failed)
	want("za", "z   failed       no space left on device", "1 failed, 1 running")
	ends(wire.Failed)
	runs++
	run(wire.JobInitialized, nil)
	want("za", "z   failed, runs   0%  no space left", "1 failed, 2 running")
	s.now = s.now.Add(promoteAfter)
	want("za", "z   failed, runs   0%  no space left", "1 failed, 2 running")
	if found := s.w.model.list.filtered("failed initialized"); len(found) != 1 {
		t.Errorf("the filter finds %d jobs", len(found))
	}
	run(wire.ExportingError, func(e *wire.Event) { e.Data.Status.Outcome = wire.Cancelled })
	ends(wire.Cancelled)
	want("za", "z   cancelled    no space left", "1 failed, 1 running, 1 cancelled")
	runs++
	run(wire.JobInitialized, nil)
	run(wire.JobCompleted, nil)
	ends(wire.Succeeded)
	want("az", "z   succeeded", "1 running, 1 succeeded")
}

// TestFailedBeforeLost: what a restart of the server has lost does not hide a job that
// failed before.
func TestFailedBeforeLost(t *testing.T) {
	s := connectedScene()
	s.runs, _ = runlog.Open("", nil)
	s.runs.Add(&runlog.Run{Server: "S", JobID: id("failed"), Job: "failed", RunID: id("run 1"), Ended: s.now.Add(-2 * time.Hour), Outcome: wire.Failed})
	s.runs.Add(&runlog.Run{Server: "S", JobID: id("lost"), Job: "lost", RunID: id("run 2"), Ended: s.now.Add(-time.Hour), Lost: jobs.LostByRestart})
	if got := s.watcher().model.shown(); !slices.Equal(got, []string{"failed", "lost"}) {
		t.Errorf("%q", got)
	}
}

// TestOrderByValue: an order by value is made when it is chosen, and again when no key
// has been pressed for some time.
func TestOrderByValue(t *testing.T) {
	s := connectedScene()
	for i, name := range []string{"a", "b", "c"} {
		s.begin(name, 10)
		s.event(name, wire.Transferring, func(e *wire.Event) { e.Data.Progress.BytesTotal = int64(i+1) << 20 })
	}
	want := func(order string) {
		t.Helper()
		if got := strings.Join(s.watcher().model.shown(), ""); got != order {
			t.Errorf("%s; want %s", got, order)
		}
	}
	s.typed("ssss") // by size
	want("cba")
	s.event("a", wire.Transferring, func(e *wire.Event) { e.Data.Progress.BytesTotal = 9 << 20 })
	s.begin("d", 10)
	s.event("d", wire.Transferring, func(e *wire.Event) { e.Data.Progress.BytesTotal = 8 << 20 })
	want("cbad") // a new one comes last while the rows are read
	s.now = s.now.Add(resortTime / 2)
	s.typed("x")
	s.now = s.now.Add(resortTime / 2)
	want("cbad")
	s.now = s.now.Add(readingTime)
	want("adcb")
}

// TestLastSuccess: a job that has never succeeded comes first. The filter finds a job
// that has not succeeded for a day.
func TestLastSuccess(t *testing.T) {
	s := connectedScene()
	withHistory(s, "old")
	s.event("new", wire.JobInitialized, nil)
	s.end("new", wire.JobCompleted, nil)
	s.begin("never", 10)
	s.typed("ss")
	if got := s.w.model.shown(); !slices.Equal(got, []string{"never", "old", "new"}) {
		t.Errorf("%q", got)
	}
	s.typed("/stale\r")
	if got := s.w.model.shown(); !slices.Equal(got, []string{"old"}) {
		t.Errorf("stale are %q", got)
	}
}

// TestOpenJob: a job stays open if the filter takes it no longer.
func TestOpenJob(t *testing.T) {
	s := scenes["fifty"]().typed("/49 running\r\r")
	s.end("branch office 49 to staging", wire.JobCompleted, nil)
	m := s.watcher().model
	if e := m.detailed(); !m.open || len(m.rows) != 0 || e == nil || e.name != "branch office 49 to staging" {
		t.Errorf("open %v, %d rows, %v", m.open, len(m.rows), e)
	}
}

// TestRuns lists the last runs, and counts the earlier ones.
func TestRuns(t *testing.T) {
	m := newModel(1)
	m.detail.more = 5
	for n := range 25 {
		m.detail.lines = append(m.detail.lines, runlog.Line{Run: runlog.Run{Outcome: wire.Succeeded}, Count: n % 3})
	}
	var text doc
	d := &drawing{layout: &layout{loc: time.UTC}, m: m, cols: 80}
	text.runs(d)
	l := d.row()
	text.lines[len(text.lines)-1](l)
	if n := len(text.lines); n != 1+maxRuns+1 || !strings.Contains(l.line(), "and 12 earlier runs") {
		t.Errorf("%d lines, %q", n, l.line())
	}
}

// TestJobsCameAndWent: a job that its board has forgotten goes, unless the history has
// it. Then another is selected.
func TestJobsCameAndWent(t *testing.T) {
	s := &scene{now: time.Date(2026, 11, 23, 10, 24, 3, 0, time.UTC)}
	s.server("S")
	s.b = board.New("S", "", jobs.Options{MaxJobs: 2, Now: func() time.Time { return s.now }})
	s.boards[0] = s.b
	withHistory(s, "kept")
	s.end("kept", wire.JobCompleted, nil)
	s.event("gone", wire.JobInitialized, nil)
	s.end("gone", wire.JobCompleted, nil)
	s.typed("/gone\r\x1b")
	s.typed("\x1b[F")
	m := s.w.model
	if got := m.shown(); !slices.Equal(got, []string{"gone", "kept"}) || m.current().name != "kept" {
		t.Errorf("%q, at %s", got, m.current().name)
	}
	if term, _ := s.drawn(t, look{}, 80, 24); strings.Contains(term.Text(), "forgotten") {
		t.Errorf("%s", term.Text())
	}
	s.begin("x", 1)
	s.begin("y", 1)
	s.watcher()
	if got := s.watcher().model.shown(); !slices.Equal(got, []string{"kept", "x", "y"}) || m.current().name != "kept" {
		t.Errorf("%q, at %s", got, m.current().name)
	}
	if term, _ := s.drawn(t, look{}, 80, 24); !strings.Contains(term.Text(), ", 1 forgotten") {
		t.Errorf("%s", term.Text())
	}
	s.now = s.now.Add(retired)
	if got := s.watcher().model.shown(); !slices.Equal(got, []string{"x", "y", "kept"}) { // it may be there no more
		t.Errorf("%q", got)
	}
}

// TestTotals adds up the running jobs.
func TestTotals(t *testing.T) {
	for _, tc := range []struct {
		t    totals
		want string
	}{{totals{}, ""}, {totals{rate: 1 << 20}, "1.0 MiB/s"}, {totals{rate: 1 << 20, left: 65}, "1.0 MiB/s, 1m05s left"}, {totals{rate: 1 << 20, left: 65, over: true}, "1.0 MiB/s, over 1m05s left"}} {
		if got := tc.t.text(); got != tc.want {
			t.Errorf("%q; want %q", got, tc.want)
		}
	}
	s := connectedScene()
	s.begin("a", 100)
	s.begin("b", 100)
	m := s.watcher().model
	one, two := m.rows[0].job.Run, m.rows[1].job.Run
	if got := m.totals(); got.rate != one.Rate+two.Rate || got.left != max(one.TimeLeft, two.TimeLeft) || got.over || got.counts.Running != 2 || got.left == 0 {
		t.Errorf("%+v", got)
	}
}

// TestShortNames removes what all names end in.
func TestShortNames(t *testing.T) {
	for names, want := range map[string]string{
		"a.example:7420": "a.example:7420", "a.example:7420 b.example:7420": "a b", "127.0.0.1:1 127.0.0.1:2": "127.0.0.1:1 127.0.0.1:2",
		"tokyo oslo": "tokyo oslo", "x.a:1 a:1": "x.a a", "a.x:1 ba.x:1": "a ba", "a a": "a a", ".x .x": ".x .x",
	} {
		var servers []board.Connection
		for name := range strings.FieldsSeq(names) {
			servers = append(servers, board.Connection{Name: name})
		}
		if got := strings.Join(shortNames(servers), " "); got != want {
			t.Errorf("%s: %s; want %s", names, got, want)
		}
	}
}

// TestProblems folds repeated problems, and sorts them by time.
func TestProblems(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 24, 3, 0, time.UTC)
	p := newProblems()
	entry := func(number uint64, ago time.Duration, message string) jobs.LogEntry {
		return jobs.LogEntry{Number: number, Time: now.Add(-ago), Severity: wire.SeverityError, Message: message}
	}
	want := func(lines ...string) {
		t.Helper()
		var got []string
		for _, e := range p.list {
			got = append(got, fmt.Sprintf("%v %s %d", now.Sub(e.Time), e.Message, e.times))
		}
		if !slices.Equal(got, lines) {
			t.Errorf("%q; want %q", got, lines)
		}
	}
	none := func() []jobs.LogEntry { t.Error("asked for all"); return nil }
	p.add(0, []jobs.LogEntry{entry(3, 10*time.Second, "b"), entry(2, time.Second, "a"), entry(1, 20*time.Second, "b")}, none, now)
	want("1s a 1", "10s b 2")
	p.add(0, []jobs.LogEntry{entry(4, -time.Hour, "a"), entry(3, 10*time.Second, "b")}, none, now) // the clock of the server is ahead
	want("0s a 2", "10s b 2")
	p.add(1, []jobs.LogEntry{entry(1, 5*time.Second, "b")}, none, now) // of another server
	want("0s a 2", "5s b 1", "10s b 2")
	var many, all []jobs.LogEntry
	for n := range 300 {
		all = append(all, entry(uint64(310-n), time.Duration(n)*time.Minute, fmt.Sprint("c", n%250)))
	}
	many = all[:jobs.MaxProblems]
	p.add(0, many, func() []jobs.LogEntry { return all }, now)
	at := slices.IndexFunc(p.list, func(e *problem) bool { return e.Message == "c1" })
	if n := len(p.list); n != maxProblems || len(p.byKey) != n || p.list[at].times != 2 {
		t.Errorf("%d, %d, %+v", len(p.list), len(p.byKey), p.list[at])
	}
}

// TestWrap divides texts between words.
func TestWrap(t *testing.T) {
	for text, want := range map[string]string{"": "", "one": "one", "one two three": "one two|three", "onetwothreefour": "onetwothr|eefour", "日本語日本語": "日本語日|本語", "a b c d e f g": "a b c d e|f g"} {
		if got := strings.Join(wrap(text, 9), "|"); got != want {
			t.Errorf("%q: %q; want %q", text, got, want)
		}
	}
	wrap("🚢🚢", 1) // ends
}
