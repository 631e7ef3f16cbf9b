//go:build unix

package mirror

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"mom.internal/wire"
)

// TestTreesAsNobody is TestTrees for a user to whom permissions apply.
func TestTreesAsNobody(t *testing.T) {
	if !asNobody(t) {
		return
	}
	for _, tree := range trees {
		for _, opts := range []Options{{}, {Delete: true}} {
			t.Run(tree.name, func(t *testing.T) {
				p := newPair(t, opts)
				var readable []item
				for _, i := range tree.source {
					if i.mode.IsRegular() && i.mode.Perm()&0o400 == 0 {
						continue
					}
					readable = append(readable, i)
				}
				plant(t, p.src, readable...)
				os.Mkdir(p.dst, 0o755)
				plant(t, p.dst, tree.before...)
				result, events, err := p.run(t.Context())
				if err != nil || !result.Clean() {
					t.Errorf("%v %+v %v", err, result, events)
				}
				source := tell(t, p.src)
				openUnreadable(p.dst, source)
				compare(t, source, tell(t, p.dst), opts.Delete)
			})
		}
	}
}

// openUnreadable makes directories readable that only the destination has.
func openUnreadable(dst string, source map[string]string) {
	filepath.WalkDir(dst, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dst, p)
		if d != nil && d.IsDir() && source[rel] == "" && rel != "." {
			os.Chmod(p, 0o700)
		}
		return nil
	})
}

// TestUnreadable mirrors a file and a directory that cannot be read. The run
// fails with an error that names the entry, or with ContinueOnError goes on.
// Either way the destination keeps its entry.
func TestUnreadable(t *testing.T) {
	if !asNobody(t) {
		return
	}
	for _, secret := range []item{file("secret", "x").with(0), file("secret", "x").with(0o200), dir("secret").with(0), dir("secret").with(0o311)} {
		for _, going := range []bool{false, true} {
			p := newPair(t, Options{ContinueOnError: going, Delete: true})
			plant(t, p.src, file("a", "a"), secret, file("z", "z"))
			os.Mkdir(p.dst, 0o755)
			plant(t, p.dst, file("gone", "x"))
			kept := "secret"
			if secret.mode.IsDir() {
				kept = "secret/kept"
			}
			plant(t, p.dst, file(kept, "old"))
			result, events, err := p.run(t.Context())
			openUnreadable(p.dst, nil)
			got := tell(t, p.dst)
			if got[kept] == "" {
				t.Errorf("%v: it is gone at the destination", secret.mode)
			}
			if !going {
				wantFailure(t, events, wire.ExportingError, "secret", "permission denied")
				if got["a"] == "" || got["z"] == "" || got["gone"] == "" { // its neighbours in the package are there
					t.Error(events, got)
				}
				continue
			}
			wantLeftOut(t, events, "secret", "permission denied")
			if err != nil || result.Skipped != 1 || result.Clean() || got["a"] == "" || got["z"] == "" || got["gone"] == "" { // the entry that is gone may be the unreadable one
				t.Error(err, result, got)
			}
		}
	}
}

// TestUnreadableSource mirrors and deletes nothing if the source cannot be
// read.
func TestUnreadableSource(t *testing.T) {
	if !asNobody(t) {
		return
	}
	for _, going := range []bool{false, true} {
		p := newPair(t, Options{ContinueOnError: going, Delete: true})
		plant(t, p.src, file("f", "x"))
		p.mirrored()
		os.Chmod(p.src, 0)
		_, events, _ := p.run(t.Context())
		wantFailure(t, events, wire.ExportingError, "/site", "permission denied")
		if got := tell(t, p.dst); len(got) != 1 {
			t.Error(got)
		}
	}
}

// TestUnwritable mirrors to a destination that cannot be written or made.
func TestUnwritable(t *testing.T) {
	if !asNobody(t) {
		return
	}
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x"))
	os.Mkdir(p.dst, 0o555)
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "/staging", "permission denied")
	p.dst = filepath.Join(p.dst, "new")
	_, events, _ = p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "/staging/new", "permission denied")
}

// TestModesAfterFailure: after a failure no directory keeps the mode that it
// had for the import.
func TestModesAfterFailure(t *testing.T) {
	p := newPair(t, Options{PackageFiles: 3, PackageBytes: 1000})
	plant(t, p.src, dir("ro").with(0o555), file("ro/a", "a"), dir("ro/shared").with(0o755), file("ro/shared/b", "b"), file("ro/shared/x", "x"))
	os.Mkdir(p.dst, 0o755)
	plant(t, p.dst, dir("ro").with(0o555), file("ro/shared/x/in the way", "x"))
	if _, _, err := p.run(t.Context()); err == nil {
		t.Fatal("no error")
	}
	want := tell(t, p.src)
	delete(want, "ro/shared/x")
	compare(t, want, tell(t, p.dst), false)
}

// TestStrangersSetuid mirrors a setuid file of another user without the bit,
// which would give that file the rights of the user who mirrors.
func TestStrangersSetuid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can have a stranger's setuid file at hand")
	}
	p := newPair(t, Options{})
	plant(t, p.src, file("own", "x"), file("strange", "x"))
	if err := os.Chown(filepath.Join(p.src, "strange"), 1234, 1234); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"own", "strange"} {
		if err := syscall.Chmod(filepath.Join(p.src, name), 0o6755); err != nil {
			t.Fatal(err)
		}
	}
	_, events, err := p.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantWarning(t, events, "strange", "setuid")
	for name, want := range map[string]fs.FileMode{"own": 0o755 | fs.ModeSetuid | fs.ModeSetgid, "strange": 0o755} {
		if info, err := os.Stat(filepath.Join(p.dst, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	p.upToDate()
}
