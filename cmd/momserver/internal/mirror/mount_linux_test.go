package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mom.internal/wire"
)

// mount mounts a file system of 512 KiB in memory until the test ends.
func mount(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k,mode=755"); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// readOnly makes a mounted file system read-only, or writable again.
func readOnly(t *testing.T, dir string, on bool) {
	t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, ""); err != nil {
		t.Skipf("remounting is not allowed here: %v", err)
	}
}

// TestFull mirrors a file for which there is no room at the destination. It
// leaves the others alone, the error says how much room is needed, and afterwards
// the room is free again.
func TestFull(t *testing.T) {
	for _, perPackage := range []int{1, 10} {
		p := newPair(t, Options{PackageFiles: perPackage, PackageBytes: 1_000_000})
		mount(t, p.dst)
		plant(t, p.dst, file("big", "old"))
		old := tell(t, p.dst)
		plant(t, p.src, file("a", "a"), file("big", text(600_000)), file("c", "c"))
		state := wire.TransferringError // of the package, which has nothing else
		if perPackage > 1 {
			state = wire.ExportingError
		}
		_, events, _ := p.run(t.Context())
		wantFailure(t, events, state, "big", "no space left on device: 600000 bytes are needed in "+p.dst+"/"+spoolPrefix)
		wholeOnly(t, tell(t, p.dst), old, tell(t, p.src))

		p.opts.ContinueOnError = true
		result, events, err := p.run(t.Context())
		if err != nil || result.Failed+result.Skipped != 1 || events[len(events)-1].Data.Progress.Errors != 1 {
			t.Errorf("%v, %+v", err, result)
		}
		got := tell(t, p.dst)
		wholeOnly(t, got, old, tell(t, p.src))
		if got["a"] == "" || got["c"] == "" || got["big"] != old["big"] {
			t.Error(got)
		}
		plant(t, p.src, file("big", text(450_000))) // fits, because nothing is stored twice
		p.mirrored()
	}
}

// TestNoMoreFiles reports what a run needs if the file system of the destination has no
// room for a further file, not even for the lock.
func TestNoMoreFiles(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("a", "a"), file("b", "b"))
	mount(t, p.dst)
	p.mirrored()
	os.Remove(filepath.Join(p.src, "a"))
	limit := func(n string) {
		if err := syscall.Mount("tmpfs", p.dst, "tmpfs", syscall.MS_REMOUNT, "nr_inodes="+n); err != nil {
			t.Skipf("remounting is not allowed here: %v", err)
		}
	}
	limit("3") // the top and the two files
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, p.dst, "no space left on device: a run needs room for one more file")
	limit("4")
	p.mirrored()
}

// TestFullSpool mirrors a file that is larger than the spool, and its neighbours,
// from a spool on another file system.
func TestFullSpool(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true, Spool: filepath.Join(t.TempDir(), "spool")})
	mount(t, p.opts.Spool)
	plant(t, p.src, file("a", "a"), file("big", text(600_000)), file("c", text(400_000)), file("z", "z"), link("l", "a"), dir("d"))
	result, events, err := p.run(t.Context())
	if err != nil || result.Failed != 1 || result.Files != 4 {
		t.Errorf("%v, %+v", err, result)
	}
	failed := in(events, wire.TransferringError)
	if len(failed) != 1 {
		t.Fatal(events)
	}
	wantError(t, failed[0], wire.TransferringError, "big", "no space left on device: 600000 bytes are needed in "+p.opts.Spool+"/"+spoolPrefix)
	if names, err := os.ReadDir(p.opts.Spool); err != nil || len(names) > 0 {
		t.Errorf("the spool has %v, %v", names, err)
	}
	plant(t, p.src, file("big", text(300_000)))
	p.mirrored()
	p.upToDate()
}

// TestReadOnly mirrors to a read-only file system.
func TestReadOnly(t *testing.T) {
	for _, going := range []bool{false, true} {
		p := newPair(t, Options{ContinueOnError: going, Delete: true, PackageFiles: 1, PackageBytes: 1000})
		mount(t, p.dst)
		plant(t, p.src, dir("d"), file("d/f", "x"), file("g", "x"))
		p.mirrored()
		readOnly(t, p.dst, true)
		p.upToDate() // a run with nothing to do writes nothing

		plant(t, p.src, file("g", "new").at(longAgo.Add(1)), file("h", "new"))
		before := tell(t, p.dst)
		_, events, _ := p.run(t.Context())
		wantFailure(t, events, wire.ExportingError, "/staging", "read-only file system")
		compare(t, before, tell(t, p.dst), true)

		os.Remove(filepath.Join(p.src, "h"))
		plant(t, p.src, file("g", "x"))
		os.RemoveAll(filepath.Join(p.src, "d"))
		_, events, _ = p.run(t.Context()) // this run would only delete
		if going {
			wantLeftOut(t, events, p.dst+"/d", "cannot delete: ")
		} else {
			wantFailure(t, events, wire.ExportingError, "/staging/d/f", "cannot delete: read-only file system")
		}
		readOnly(t, p.dst, false)
		p.mirrored()
	}
}

// TestMountPoint does not replace a directory on which a file system is
// mounted.
func TestMountPoint(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("f", "file"))
	mount(t, filepath.Join(p.dst, "f"))
	plant(t, p.dst, file("f/kept", "x"))
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, "f", "on another file system, is in its place")
	if got := tell(t, p.dst); !strings.Contains(got["f/kept"], "1 bytes") {
		t.Error(got)
	}
}

// TestMountBelow reports why no file can be placed below a mount point in the
// destination, and mirrors the other files.
func TestMountBelow(t *testing.T) {
	p := newPair(t, Options{ContinueOnError: true})
	plant(t, p.src, file("a", "a"), file("disk/f", "x"), file("z", "z"))
	mount(t, filepath.Join(p.dst, "disk"))
	result, events, err := p.run(t.Context())
	wantLeftOut(t, events, "disk/f", "it is below a mount point in the destination")
	if got := tell(t, p.dst); err != nil || result.Files != 2 || got["a"] == "" || got["z"] == "" {
		t.Errorf("%v, %+v, %v", err, result, got)
	}
}

// TestBindMount has the source and the destination in each other by a bind mount,
// which paths do not show.
func TestBindMount(t *testing.T) {
	for name, tc := range map[string]struct{ src, dst, text string }{
		"same":                      {"top/site", "other/site", "the same directory"},
		"source in the destination": {"top/site", "other", "cannot delete: it is the source"},
		"destination in the source": {"other", "top/staging", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, Options{Delete: true})
			top := filepath.Dir(p.src)
			plant(t, top, file("top/site/f", "x"), dir("top/staging"), dir("other"))
			if err := syscall.Mount(filepath.Join(top, "top"), filepath.Join(top, "other"), "", syscall.MS_BIND, ""); err != nil {
				t.Skipf("mounting is not allowed here: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(filepath.Join(top, "other"), syscall.MNT_DETACH) })
			p.src, p.dst = filepath.Join(top, tc.src), filepath.Join(top, tc.dst)
			for range 2 {
				_, events, err := p.run(t.Context())
				if tc.text != "" {
					wantFailure(t, events, wire.ExportingError, "/site", tc.text)
				} else if err != nil {
					t.Error(err)
				}
			}
			got := tell(t, filepath.Join(top, "top"))
			if got["site/f"] == "" || got["staging/staging"] != "" {
				t.Error(got)
			}
		})
	}
}

// TestBindMountDeleted deletes no entry that can be reached by another path as
// well, because of a bind mount. Neither Stat nor the paths show that.
func TestBindMountDeleted(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, item, text string }{
		"source below the destination": {"site/sub", "staging/gone/at", "", ""},
		"other files":                  {"other", "staging/gone/at", "", ""},
		"other files, in a file":       {"other", "staging/f/at", "f", "is in its place"},
		"destination below the source": {"staging/gone", "site/sub", "/staging/gone", "/site/sub: is there a bind mount? Unmount it, or exclude /gone"},
		"the same, in a file":          {"staging/f", "site/sub", "/staging/f", "nothing is deleted, because it is the same directory as "},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, Options{Delete: true})
			top := filepath.Dir(p.src)
			plant(t, top, file("site/f", "x"), file("site/sub/kept", "x"), file("other/kept", "x"),
				dir("staging/gone/at"), dir("staging/f/at"), file("staging/gone/kept", "x"), file("staging/f/kept", "x"))
			if err := syscall.Mount(filepath.Join(top, tc.from), filepath.Join(top, tc.to), "", syscall.MS_BIND, ""); err != nil {
				t.Skipf("mounting is not allowed here: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(filepath.Join(top, tc.to), syscall.MNT_DETACH) })
			_, events, err := p.run(t.Context())
			if tc.item != "" {
				wantFailure(t, events, wire.ExportingError, tc.item, tc.text)
			} else if err != nil {
				t.Error(err)
			}
			for _, at := range []string{tc.from, tc.to} {
				if got := tell(t, filepath.Join(top, at)); got["kept"] == "" {
					t.Errorf("%s has %v", at, got)
				}
			}
		})
	}
}
