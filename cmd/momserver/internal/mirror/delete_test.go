//go:build unix

package mirror

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"mom.internal/wire"
)

// TestNoDeleteAfterFailure deletes nothing after a package has failed, because
// an entry that is gone may be in that package under another name.
func TestNoDeleteAfterFailure(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, Delete: true, PackageFiles: 1, PackageBytes: 1000})
	plant(t, p.src, file("renamed", text(500)), file("z", ""))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("before", text(500)))
	_, events, err := p.run(&moments{Context: t.Context(), do: func(int) { damage(p.dst) }})
	if err != nil {
		t.Fatal(err)
	}
	wantWarning(t, events, "", "nothing is deleted")
	if got := tell(t, p.dst); got["before"] == "" || got["renamed"] != "" || got["z"] == "" {
		t.Error(got)
	}
	p.mirrored()
}

// few allows as many deletions.
type few int

func (n few) Allows(deletions, _ int) bool { return deletions <= int(n) }
func (n few) String() string               { return fmt.Sprint(int(n)) }

// TestMaxDelete deletes nothing if it would be too many files, wherever they are,
// and mirrors everything else.
func TestMaxDelete(t *testing.T) {
	for _, in := range []string{"", "gone/", "gone/deep/", "now a file/"} {
		p := newPair(t, Options{Delete: true, MaxDelete: few(2)})
		plant(t, p.src, file("new", "n"))
		os.Mkdir(p.dst, 0o755)
		for _, name := range []string{"1", "2", "3"} {
			plant(t, p.dst, file(in+name, "x"))
		}
		plant(t, p.dst, dir("empty"))
		if in == "now a file/" {
			plant(t, p.src, file("now a file", "f"))
			p.opts.ContinueOnError = true
		}
		before := tell(t, p.dst)
		_, events, err := p.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "3 of 3 files") || !strings.Contains(err.Error(), "-max-delete 2") {
			t.Errorf("%q: %v", in, err)
		}
		if end := events[len(events)-1]; end.Data.Status.State != wire.ExportingError || end.Data.Progress.FilesDeleted > 0 {
			t.Errorf("%q: %+v", in, end.Data)
		}
		compare(t, before, tell(t, p.dst), false)
		if got := tell(t, p.dst); got["new"] == "" {
			t.Errorf("%q: %v", in, got)
		}
		p.opts.MaxDelete = few(3)
		p.mirrored()
		if got := tell(t, p.dst); got["empty"] != "" {
			t.Error(got)
		}
	}
}

// TestReplacedCounts counts what is deleted with a directory that a file replaces,
// and a dry run says so.
func TestReplacedCounts(t *testing.T) {
	var out strings.Builder
	p := newPair(t, Options{Delete: true, DryRun: &out})
	plant(t, p.src, file("dir", "now a file"), file("z", "z"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("dir/1", "x"), file("dir/sub/2", "x"))
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Run(t.Context())
	if want := "delete dir/1\ndelete dir/sub/2\ndelete dir/sub/\ndelete dir/\ncopy dir\ncopy z\n"; err != nil || out.String() != want || result.Deleted != 4 {
		t.Errorf("%v, %+v\n%s\nwant\n%s", err, result, &out, want)
	}
	p.opts.DryRun = nil
	p.opts.MaxDelete = few(1)
	p.events()
	if _, events, _ := p.run(t.Context()); events[len(events)-1].Data.Progress.FilesDeleted > 0 {
		t.Errorf("%+v", events[len(events)-1].Data)
	} else {
		wantFailure(t, events, wire.ExportingError, "dir", "2 of 2 files at the destination are not in the source, which is more than -max-delete 1 allows")
	}
	p.opts.MaxDelete = nil
	result, events, err := p.run(t.Context())
	if end := events[len(events)-1]; err != nil || result.Deleted != 4 || end.Data.Progress.FilesDeleted != 2 {
		t.Errorf("%v, %+v, %+v", err, result, end.Data.Progress)
	}
}
