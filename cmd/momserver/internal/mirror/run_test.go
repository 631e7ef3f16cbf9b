//go:build unix

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mom.internal/wire"
)

var (
	longName = strings.Repeat("n", 255)
	deepPath = strings.Repeat("a directory of 25 letters/", 6) + "leaf"
	// This path is longer than the system accepts in one call.
	tooDeep = strings.Repeat(strings.Repeat("d", 200)+"/", 25) + "leaf"
)

// trees are sources, and what the destination has before.
var trees = []struct {
	name   string
	source []item
	before []item
}{

	{name: "empty"},
	{name: "empty files and directories", source: []item{dir("a"), dir("a/b"), dir("a/b/c"), file("a/empty", ""), file("empty", "")}},
	{name: "links", source: []item{
		dir("d"), file("d/f", "content"), link("relative", "d/f"), link("absolute", "/etc/hostname"), link("dangling", "no/where"),
		link("to dir", "d"), link("up", "../../.."), link("d/self", "self"), link("d/to root", "/"),
	}},
	{
		name:   "one type in place of another",
		source: []item{file("link to file", "now a file"), link("file to link", "target"), dir("file to dir"), file("file to dir/in it", "x"), link("link to link", "new"), dir("dir that stays"), file("dir that stays/f", "f")},
		before: []item{link("link to file", "/etc"), file("file to link", "was a file"), file("file to dir", "was a file"), link("link to link", "old"), dir("dir that stays").with(0o700), file("dir that stays/f", "g").at(longAgo.Add(-1))},
	},
	{
		// The target of the link has the same content, which must not count.
		name:   "directory in place of a link inside",
		source: []item{dir("d"), file("d/f", "same"), dir("d/e"), file("d/e/g", "same too"), dir("other"), file("other/f", "same"), dir("other/e"), file("other/e/g", "same too")},
		before: []item{dir("other"), file("other/f", "same"), dir("other/e"), file("other/e/g", "same too"), link("d", "other")},
	},
	{
		name:   "directory in place of a link outside",
		source: []item{dir("d"), file("d/f", "x")},
		before: []item{link("d", "/tmp")},
	},
	{
		name:   "empty directory makes way",
		source: []item{file("a", "file"), link("b", "link")},
		before: []item{dir("a"), dir("b").with(0o500)},
	},
	{name: "modes", source: []item{
		file("0444", "x").with(0o444), file("0600", "x").with(0o600), file("0755", "x").with(0o755), file("0000", "x").with(0),
		file("setuid", "x").with(0o755 | fs.ModeSetuid), file("setgid", "x").with(0o755 | fs.ModeSetgid), file("0777", "x").with(0o777),
		dir("private").with(0o700), file("private/x", "x"), dir("sticky").with(0o777 | fs.ModeSticky), dir("group").with(0o2775&fs.ModePerm | fs.ModeSetgid),
	}},
	{name: "read-only directories", source: []item{dir("ro").with(0o555), file("ro/f", "x"), dir("ro/ro").with(0o555), file("ro/ro/g", "y").with(0o444)}},
	{
		name:   "news in read-only directories",
		source: []item{dir("ro").with(0o555), file("ro/f", "new"), dir("ro/ro").with(0o555), file("ro/ro/g", "new").with(0o444)},
		before: []item{dir("ro").with(0o555), file("ro/f", "old").with(0o444), dir("ro/ro").with(0o555)},
	},
	{name: "modes only", source: []item{file("f", "x").with(0o640), dir("d").with(0o711)}, before: []item{file("f", "x").with(0o644), dir("d")}},
	{name: "times", source: []item{
		file("1970", "x").at(time.Unix(0, 0)), file("first nanosecond", "x").at(time.Unix(0, 1)), file("2100", "x").at(time.Date(2100, 1, 1, 0, 0, 0, 999999999, time.UTC)),
		file("before 1970", "x").at(time.Unix(-86400, 5)), dir("d").at(time.Unix(1, 500)), dir("d/e").at(time.Date(2100, 12, 31, 0, 0, 0, 1, time.UTC)), file("d/e/f", "x"),
	}},
	{
		name:   "newer or different at the destination",
		source: []item{file("newer", "x"), file("longer", "x"), file("same size", "x"), dir("touched")},
		before: []item{file("newer", "x").at(longAgo.Add(time.Hour)), file("longer", "xyz"), file("same size", "y").at(longAgo.Add(1)), dir("touched").at(longAgo.Add(time.Hour))},
	},
	{name: "names", source: []item{
		file(" leading and trailing ", "x"), file("new\nline", "x"), file("åäö 漢字 🙂", "x"), file("-dash", "x"), file("--delete", "x"), file(`back\slash "quoted" 'twice'`, "x"),
		file("invalid \xff\xfe UTF-8", "x"), link("link \xff", "\xff\xfe"), dir("dir \xc3"), file("dir \xc3/f", "x"), file("tab\there", "x"), file("=1", "x"), file("...", "x"), file("..a", "x"), file(".hidden", "x"), file("a:b*c?d|e", "x"),
		file(longName, "x"), dir(strings.Repeat("d", 255)), file(strings.Repeat("d", 255)+"/"+strings.Repeat("é", 127), "x"), link("long link", strings.Repeat("t/", 2000)),
	}},
	{name: "deep paths", source: []item{file(deepPath, "x"), link(deepPath+" link", strings.Repeat("../", 80)+"x"), file(tooDeep, "deep")}},
	{name: "sizes", source: []item{file("511", text(511)), file("512", text(512)), file("513", text(513)), file("limit", text(100_000)), file("over", text(100_001)), file("big", text(1_000_000)), file("z", "x")}},
	{
		name:   "what is gone",
		source: []item{dir("d").with(0o555), file("d/stays", "x")},
		before: []item{dir("d").with(0o555), file("d/stays", "x"), file("d/gone", "x"), dir("d/gone too").with(0o500), dir("d/gone too/e").with(0), file("f", "x"), link("l", "/etc")},
	},
}

func text(n int) string { return strings.Repeat("All work and no play. ", n/22+1)[:n] }

// TestTrees mirrors every tree, with and without Delete, to a destination that
// does not exist and to one that does. The next run has nothing to do.
func TestTrees(t *testing.T) {
	for _, tree := range trees {
		for _, opts := range []Options{{}, {Delete: true}} {
			t.Run(fmt.Sprintf("%s, delete %t", tree.name, opts.Delete), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, opts)
				plant(t, p.src, tree.source...)
				if tree.before != nil {
					if err := os.Mkdir(p.dst, 0o755); err != nil {
						t.Fatal(err)
					}
					plant(t, p.dst, tree.before...)
				}
				p.mirrored()
				if len(tree.source) > 0 {
					p.upToDate()
				}
			})
		}
	}
}

// TestImpossible ends a run that cannot begin with an ExportingError that names
// the directory.
func TestImpossible(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(p *pair)
		item    string
		text    string
	}{
		{"no source", func(p *pair) { os.Remove(p.src) }, "/site", "the source does not exist"},
		{"source is a file", func(p *pair) { os.Remove(p.src); os.WriteFile(p.src, nil, 0o600) }, "/site", "the source is not a directory"},
		{"destination is a file", func(p *pair) { os.WriteFile(p.dst, []byte("precious"), 0o600) }, "/staging", "the destination is not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, going := range []bool{false, true} {
				p := newPair(t, Options{ContinueOnError: going, Delete: true})
				plant(t, p.src, file("f", "x"))
				os.RemoveAll(filepath.Join(p.src, "f"))
				tc.prepare(p)
				_, events, err := p.run(t.Context())
				wantFailure(t, events, wire.ExportingError, tc.item, tc.text)
				if err == nil || !strings.Contains(err.Error(), tc.item) {
					t.Error(err)
				}
			}
		})
	}
	p := newPair(t, Options{ContinueOnError: true})
	plant(t, p.src, file("f", "x"))
	os.WriteFile(p.dst, nil, 0o600)
	p.dst = filepath.Join(p.dst, "below a file")
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "/below a file", "not a directory")
}

// TestEmptySource makes an empty destination.
func TestEmptySource(t *testing.T) {
	p := newPair(t, Options{})
	p.mirrored()
	if info, err := os.Stat(p.dst); err != nil || !info.IsDir() {
		t.Error(info, err)
	}
}

// TestInterrupted stops a run at every moment. The destination has only whole
// files, the run ends with an error, and the next run completes it.
func TestInterrupted(t *testing.T) {
	for _, opts := range []Options{{Delete: true}, {Delete: true, ContinueOnError: true}} {
		t.Run(fmt.Sprintf("continue %t", opts.ContinueOnError), func(t *testing.T) {
			t.Parallel()
			p := onTheWay(t, opts)
			plant(t, p.src, dir("d").with(0o555)) // the last one, for the comparison
			old, now := tell(t, p.dst), tell(t, p.src)
			ctx := &moments{Context: t.Context()}
			if _, _, err := p.run(ctx); err != nil {
				t.Fatal(err)
			}
			total, states := ctx.n, make(map[wire.State]int)
			for n := 1; n <= total; n += 6 {
				openTree(p.dst)
				os.RemoveAll(p.dst)
				os.Mkdir(p.dst, 0o755)
				plant(t, p.dst, oldSite...)
				stopping, cancel := context.WithCancel(t.Context())
				ctx := &moments{Context: stopping, do: func(now int) {
					if now == n {
						cancel()
					}
				}}
				_, events, err := p.run(ctx)
				if !errors.Is(err, errInterrupted) {
					t.Fatalf("interrupted at moment %d of %d: %v", n, total, err)
				}
				end := events[len(events)-1]
				wantInterrupted(t, end, end.Data.Status.State)
				states[end.Data.Status.State]++
				wholeOnly(t, tell(t, p.dst), old, now)
				p.mirrored()
				if t.Failed() {
					t.Fatalf("interrupted at moment %d of %d", n, total)
				}
			}
			if states[wire.ExportingError] == 0 || !opts.ContinueOnError && (states[wire.TransferringError] == 0 || states[wire.ImportingError] == 0) {
				t.Errorf("the runs ended with %v", states)
			}
		})
	}
}

// TestQuiet publishes and logs nothing for a check that finds nothing to do, but
// a run in ReportIdle. A check that finds something publishes its run, which has
// everything that the check has found.
func TestQuiet(t *testing.T) {
	var log bytes.Buffer
	p := newPair(t, Options{Delete: true, ReportIdle: time.Hour})
	p.opts.Log = textLog(&log)
	plant(t, p.src, file("f", "x"), dir("d"), file("d/g", "y"))
	if err := syscall.Mkfifo(filepath.Join(p.src, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context) (Result, []wire.Event) {
		t.Helper()
		result, err := m.Run(ctx)
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
		return result, p.events()
	}
	run(t.Context())
	log.Reset()
	for n := 1; n <= 3; n++ {
		if result, events := run(t.Context()); len(events) > 0 || log.Len() > 0 || result != (Result{Checks: n, Silent: true}) {
			t.Fatalf("%+v, %v, %s", result, events, &log)
		}
	}
	os.Chtimes(filepath.Join(p.src, "d"), longAgo, longAgo.Add(1)) // is put right in silence
	if result, events := run(t.Context()); len(events) > 0 || !result.Silent {
		t.Errorf("%+v, %v", result, events)
	}
	compare(t, map[string]string{"d": tell(t, p.src)["d"]}, tell(t, p.dst), false)

	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if result, events := run(stopped); len(events) > 0 || !result.Silent {
		t.Errorf("a check that is interrupted: %+v, %v", result, events)
	}
	m.reported = m.reported.Add(-time.Hour)
	result, events := run(t.Context())
	if result.Silent || result.Checks != 5 {
		t.Errorf("%+v", result)
	}
	entry := events[len(events)-1].Data.Status.Log
	if text := fmt.Sprint(entry); !strings.Contains(text, "5 checks found the destination up to date since ") {
		t.Errorf("%+v", entry)
	}
	run(t.Context())
	plant(t, p.src, file("d/new", "n"))
	os.Remove(filepath.Join(p.src, "f"))
	result, events = run(t.Context())
	if end := events[len(events)-1].Data.Progress; result.Silent || result.Files != 1 || result.Deleted != 1 || end.FilesChecked != 1 || end.FilesSkipped != 1 || end.FilesDeleted != 1 {
		t.Errorf("%+v, %+v", result, end)
	}
	os.Remove(p.src + "/d/new")
	os.Remove(p.src + "/d/g")
	os.Remove(p.src + "/d")
	os.Remove(p.src + "/fifo")
	if _, err := m.Run(t.Context()); err == nil {
		t.Error("an empty source is not an error")
	}
	wantFailure(t, p.events(), wire.ExportingError, "/site", "the source is empty, and the destination is not")
	plant(t, p.src, dir("d").at(longAgo.Add(1)), file("d/new", "n")) // as it was
	if result, events := run(t.Context()); result.Silent || events[len(events)-1].Outcome() != wire.Succeeded {
		t.Errorf("the end of a failure: %+v", result)
	}
	if result, events := run(t.Context()); !result.Silent || len(events) > 0 {
		t.Errorf("%+v", result)
	}
	os.Rename(p.src, p.src+" away")
	if _, err := m.Run(t.Context()); err == nil {
		t.Error("a missing source is not an error")
	}
	os.Rename(p.src+" away", p.src)
	p.events()
	_, events = run(t.Context())
	if text := fmt.Sprint(events[len(events)-1].Data.Status.Log); !strings.Contains(text, "nothing to mirror: the destination is up to date") {
		t.Errorf("after a failure: %s", text)
	}
}

// TestDryRun changes nothing, says what would be copied and deleted, and publishes
// a run that says that it is a dry run.
func TestDryRun(t *testing.T) {
	var out bytes.Buffer
	p := newPair(t, Options{Delete: true, DryRun: &out})
	plant(t, p.src, file("a", "new"), dir("d"), file("d/\n", "x"), link("l", "a"), file("same", "s"))
	for _, there := range []bool{false, true} {
		want := "copy a\ncopy d/\ncopy l\ncopy same\ncopy \"d/\\n\"\n"
		if there {
			os.Mkdir(p.dst, 0o755)
			plant(t, p.dst, file("a", "older"), file("same", "s"), dir("gone").with(0), file("z", "z"))
			want = "copy a\ncopy d/\ncopy l\ncopy \"d/\\n\"\ndelete gone/\ndelete z\n"
		}
		before := tell(t, p.dst)
		out.Reset()
		m, err := New(p.srv, p.src, p.dst, p.opts)
		if err != nil {
			t.Fatal(err)
		}
		result, err := m.Run(t.Context())
		events := p.events()
		end := events[len(events)-1]
		if err != nil || out.String() != want || !end.Data.Initialize.DryRun || end.Outcome() != wire.Succeeded || len(in(events, wire.PackageInitialized)) > 0 {
			t.Errorf("%v, %+v\n%s\nwant\n%s", err, end.Data, &out, want)
		}
		if result.Files != 4-len(before)/4 || result.Deleted != len(before)/2 {
			t.Errorf("%+v", result)
		}
		compare(t, before, tell(t, p.dst), true)
		if names, _ := os.ReadDir(p.opts.State); len(names) > 0 {
			t.Errorf("it remembers: %v", names)
		}
	}
}

// TestSourceLink follows a symbolic link to the source in every run, in which it
// may lead elsewhere. The job stays the same.
func TestSourceLink(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	top := filepath.Dir(p.src)
	plant(t, top, file("releases/1/page", "one"), file("releases/2/page", "two"))
	os.Remove(p.src)
	os.Symlink("releases/1", p.src)
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range []string{"1", "2"} {
		os.Remove(p.src)
		os.Symlink("releases/"+release, p.src)
		if _, err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		compare(t, tell(t, filepath.Join(top, "releases", release)), tell(t, p.dst), true)
		os.RemoveAll(filepath.Join(top, "releases", release))
	}
	for _, e := range p.events() {
		if e.JobID != m.JobID() || e.Data.Initialize.Name != "site to staging" || e.Data.Initialize.SourcePath != p.src {
			t.Fatalf("%+v", e.Data.Initialize)
		}
	}
	os.Remove(p.src)
	os.Symlink("staging", p.src)
	if _, err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the same directory") {
		t.Error(err)
	}
}

// TestLogged logs each entry and package that fails, with its reason, and not
// again in the next run.
func TestLogged(t *testing.T) {
	var log bytes.Buffer
	p := newPair(t, Options{ContinueOnError: true, PackageFiles: 2, PackageBytes: 1000})
	p.opts.Log = textLog(&log)
	plant(t, p.src, file("a", "a"), file("b", "b"), file("c", "c"), file("d", "d"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("a/x", "x"), file("c/x", "x"), file("d/x", "x"))
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		log.Reset()
		if result, err := m.Run(t.Context()); err != nil || (result.Failed+result.Skipped == 0) {
			t.Errorf("%+v, %v", result, err)
		}
		want := "level=ERROR msg=\"a directory that is not empty is in its place; -delete would replace it\" job=\"site to staging\" item="
		if got := log.String(); n == 0 && (strings.Count(got, want) != 3 || !strings.Contains(got, want+"a") || !strings.Contains(got, want+"c") || !strings.Contains(got, want+"d")) || n > 0 && strings.Contains(got, want) {
			t.Errorf("run %d: %s", n, got)
		}
	}
}
