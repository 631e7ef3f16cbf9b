//go:build unix

package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
