//go:build unix

package mirror

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mom.internal/wire"
)

// unpack imports a package of the entries into dst.
func unpack(t *testing.T, dst string, headers ...*tar.Header) error {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		h.Format, h.Mode, h.ModTime = tar.FormatPAX, 0o644, longAgo
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		tw.Write(bytes.Repeat([]byte("x"), int(h.Size)))
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dst)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{m: &Mirror{dst: dst}, dest: root}
	defer r.close()
	r.settled = true
	if err := r.openSpool(); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile(filepath.Join(r.destSpool, "p"), buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(buf.Bytes())
	return r.importPackage(t.Context(), r.destSpool+"/p", int64(buf.Len()), sum[:])
}

// TestOutside refuses packages that reach outside of the destination, by name
// or through a link, and changes nothing there.
func TestOutside(t *testing.T) {
	for _, name := range []string{"../victim", "/victim", "a/../../victim", "..", ".", "", "a/..", "./a", "a//b", spoolPrefix + "7b0d5b1e-6d2f-4b1c-9a55-0c6f0a2f3a11/a", spoolPrefix + "7b0d5b1e-6d2f-4b1c-9a55-0c6f0a2f3a11"} {
		dst := filepath.Join(t.TempDir(), "dst")
		os.Mkdir(dst, 0o755)
		for _, h := range []*tar.Header{
			{Typeflag: tar.TypeReg, Name: name, Size: 3}, {Typeflag: tar.TypeDir, Name: name + "/"}, {Typeflag: tar.TypeSymlink, Name: name, Linkname: "/etc"},
		} {
			if err := unpack(t, dst, h); err == nil || !strings.Contains(err.Error(), "points outside") {
				t.Errorf("%q, %c: %v", name, h.Typeflag, err)
			}
		}
		if found, _ := filepath.Glob(filepath.Join(dst, "..", "*")); len(found) != 1 {
			t.Errorf("%q made %v", name, found)
		}
	}
}

// TestOutsideByLink follows no link, neither one at the destination nor one in
// the package.
func TestOutsideByLink(t *testing.T) {
	top := t.TempDir()
	dst, outside := filepath.Join(top, "dst"), filepath.Join(top, "outside")
	os.Mkdir(dst, 0o755)
	os.Mkdir(outside, 0o755)
	plant(t, outside, file("f", "kept"))
	before := tell(t, outside)
	for _, target := range []string{outside, "../outside"} {
		plant(t, dst, link("standing", target), link("file", target+"/f"))
		err := unpack(t, dst,
			&tar.Header{Typeflag: tar.TypeReg, Name: "standing/f", Size: 9},
			&tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: 9},
			&tar.Header{Typeflag: tar.TypeSymlink, Name: "own", Linkname: target},
			&tar.Header{Typeflag: tar.TypeReg, Name: "own/f", Size: 9},
			&tar.Header{Typeflag: tar.TypeReg, Name: "own/g", Size: 9},
		)
		if err != nil {
			t.Error(err)
		}
		compare(t, before, tell(t, outside), true)
		if got := tell(t, dst); len(got) != 6 || !strings.Contains(got["own/g"], " 9 bytes") {
			t.Error(got)
		}
		os.RemoveAll(dst)
		os.Mkdir(dst, 0o755)
	}
}

// TestStrangeEntries refuses entries that no package of this program has.
func TestStrangeEntries(t *testing.T) {
	for _, kind := range []byte{tar.TypeLink, tar.TypeFifo, tar.TypeBlock, tar.TypeChar} {
		if err := unpack(t, t.TempDir(), &tar.Header{Typeflag: kind, Name: "x", Linkname: "y"}); err == nil || !strings.HasPrefix(err.Error(), "x: ") {
			t.Errorf("%c: %v", kind, err)
		}
	}
}

// TestDirectoryInPlace: the destination has a full directory where the source
// has a file or a link. With Delete it is replaced, and otherwise it stays and
// the run fails.
func TestDirectoryInPlace(t *testing.T) {
	for _, source := range []item{file("x", "file"), link("x", "link")} {
		p := newPair(t, Options{})
		plant(t, p.src, file("a", "a"), source)
		os.Mkdir(p.dst, 0o755)
		plant(t, p.dst, dir("x").with(0o500), dir("x/y").with(0o500), file("x/y/z", "old"))
		before := tell(t, p.dst)
		_, events, _ := p.run(t.Context())
		wantFailure(t, events, wire.ImportingError, "x", "a directory that is not empty is in its place; -delete would replace it")
		compare(t, before, tell(t, p.dst), false)

		p.opts.Delete = true
		p.mirrored()
		p.upToDate()
	}
}

// TestHardLinks mirrors hard links as files of their own.
func TestHardLinks(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("a", "shared"))
	if err := os.Link(filepath.Join(p.src, "a"), filepath.Join(p.src, "b")); err != nil {
		t.Fatal(err)
	}
	p.mirrored()
	// A hard link of the destination keeps its content when the file is replaced.
	outside := filepath.Join(filepath.Dir(p.dst), "outside")
	if err := os.Link(filepath.Join(p.dst, "a"), outside); err != nil {
		t.Fatal(err)
	}
	plant(t, p.src, file("a", "changed"))
	p.mirrored()
	if data, _ := os.ReadFile(outside); string(data) != "shared" {
		t.Errorf("a file that shared its content with the destination became %q", data)
	}
}
