//go:build unix

package mirror

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample returns an index that has something of everything.
func sample() index {
	return index{
		boot: "boot", told: toldModes | toldLinks, place: place{7, 8}, mounts: map[string]uint64{".": 1 << 63, "a/b": 2, aboveSource: 0},
		records: map[string]record{
			"f":        {inode: 1 << 40, changed: stamp{-5, 999_999_999}},
			"d/\xff":   {inode: 2, changed: never, spelled: "D"},
			"on exFAT": {kept: &kept{attributes{0o644 | fs.ModeSetuid, stamp{1 << 40, 1}}, attributes{0o777, stamp{1 << 40, 0}}}},
			"link":     {kept: &kept{want: attributes{0o777, stamp{1, 2}}}},
		},
	}
}

// TestIndexEncoding decodes what was encoded. A file that is damaged or cut
// anywhere is refused.
func TestIndexEncoding(t *testing.T) {
	want := sample()
	b := want.encode()
	var got index
	if err := got.decode(b); err != nil {
		t.Fatal(err)
	}
	same := func(a, b record) bool {
		keptSame := (a.kept == nil) == (b.kept == nil) && (a.kept == nil || *a.kept == *b.kept)
		a.kept, b.kept = nil, nil
		return a == b && keptSame
	}
	if !maps.EqualFunc(got.records, want.records, same) || !maps.Equal(got.mounts, want.mounts) || got.boot != want.boot || got.told != want.told || got.place != want.place {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x10
		if err := new(index).decode(damaged); err == nil {
			t.Errorf("byte %d is damaged, and that is not found", i)
		}
		if err := new(index).decode(b[:i]); err == nil {
			t.Errorf("%d bytes of %d are accepted", i, len(b))
		}
	}
}

// FuzzIndex decodes any bytes behind a right checksum without a panic, and keeps
// no more than they can hold.
func FuzzIndex(f *testing.F) {
	x := sample()
	b := x.encode()
	f.Add(b[len(indexMagic) : len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		var x index
		if err := x.decode(withChecksum(append(bytes.Clone(indexMagic), body...))); err == nil && len(x.records)+len(x.mounts) > len(body) {
			t.Errorf("%d records in %d bytes", len(x.records), len(body))
		}
	})
}

// TestSameSizeAndTime copies a file whose content has changed although its size
// and time are the same, in this process and in another. A file of which only the
// inode or an attribute is another one is not copied again.
func TestSameSizeAndTime(t *testing.T) {
	p := newPair(t, Options{})
	name := filepath.Join(p.src, "f")
	plant(t, p.src, file("f", "version 1"), file("g", "g"))
	p.mirrored()
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	moved := func(want int) {
		t.Helper()
		if result, err := m.Run(t.Context()); err != nil || result.Files != want {
			t.Errorf("%+v, %v; want %d files", result, err, want)
		}
		compare(t, tell(t, p.src), tell(t, p.dst), true)
	}
	replace := func(content string) {
		t.Helper()
		plant(t, p.src, file("new", content))
		if err := os.Rename(filepath.Join(p.src, "new"), name); err != nil {
			t.Fatal(err)
		}
	}
	replace("version 2")
	p.events()
	p.mirrored() // in another process
	moved(0)
	replace("version 3")
	moved(1)
	os.WriteFile(name, []byte("version 4"), 0o644) // the same inode
	os.Chtimes(name, longAgo, longAgo)
	time.Sleep(tick) // so that the change shows
	moved(1)
	replace("version 4")
	moved(0)
	os.Chmod(name, 0o600)
	os.Chmod(name, 0o644)
	moved(0)
}

// TestChecksum compares the content, also of files of which nothing is known.
func TestChecksum(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "right"), file("empty", ""), file("long", text(600_000)))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, file("f", "wrong"), file("empty", ""), file("long", text(599_999)+"!"))
	p.upToDate() // by size and time
	p.opts.Checksum = true
	if result, _, err := p.run(t.Context()); err != nil || result.Files != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	p.upToDate()
	compare(t, tell(t, p.src), tell(t, p.dst), true)
}

// TestIndexUnusable mirrors without an index that is damaged or cannot be
// written, and logs that.
func TestIndexUnusable(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x"))
	p.mirrored()
	found, _ := filepath.Glob(filepath.Join(p.opts.State, "*.index"))
	if len(found) != 1 {
		t.Fatal(found)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	var log bytes.Buffer
	p.opts.Log = textLog(&log)
	os.WriteFile(found[0], []byte("junk"), 0o600)
	p.upToDate()
	if !strings.Contains(log.String(), "cannot use what was remembered") || !strings.Contains(log.String(), found[0]) {
		t.Errorf("%s", &log)
	}
	log.Reset()
	p.upToDate()
	if log.Len() > 0 {
		t.Errorf("it was not written anew: %s", &log)
	}
	p.opts.State = filepath.Join(found[0], "below a file")
	plant(t, p.src, file("g", "y"))
	p.mirrored()
	if n := strings.Count(log.String(), "cannot remember this run"); n != 1 {
		t.Errorf("logged %d times: %s", n, &log)
	}
}

// TestIndexKept keeps what is remembered of directories and links, also in runs
// that find nothing to do.
func TestIndexKept(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, dir("d"), link("l", "x"), file("f", "x"))
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if result, err := m.Run(t.Context()); err != nil || !result.Clean() {
			t.Fatalf("%v, %+v", err, result)
		}
		for _, name := range []string{"d", "l", "f"} {
			rec := m.index.of(name)
			if n > 0 && rec.spelled != "another" {
				t.Errorf("run %d forgot %s", n, name)
			}
			rec.spelled = "another"
			m.index.put(name, rec)
		}
	}
}
