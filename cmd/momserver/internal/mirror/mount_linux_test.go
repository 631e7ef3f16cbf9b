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

// TestFull fills the destination while the package is sent, and while it is
// unpacked. The files there stay whole, and afterwards there is room again.
func TestFull(t *testing.T) {
	for _, tc := range []struct {
		name  string
		size  int
		state wire.State
		item  string
	}{
		{"sending", 600_000, wire.TransferringError, "package-0002.tar"},
		{"unpacking", 350_000, wire.ImportingError, "big"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPair(t, Options{PackageFiles: 1, PackageBytes: 1000})
			mount(t, p.dst)
			plant(t, p.dst, file("big", "old"))
			old := tell(t, p.dst)
			plant(t, p.src, file("a", "a"), file("big", text(tc.size)), file("c", "c"))
			_, events, _ := p.run(t.Context())
			wantFailure(t, events, tc.state, tc.item, "no space left on device")
			wholeOnly(t, tell(t, p.dst), old, tell(t, p.src))

			p.opts.ContinueOnError = true
			result, events, err := p.run(t.Context())
			if err != nil || result.Packages != 1 || result.Failed != 1 || len(in(events, tc.state)) != 1 {
				t.Errorf("%v, %+v", err, result)
			}
			got := tell(t, p.dst)
			wholeOnly(t, got, old, tell(t, p.src))
			if got["a"] == "" || got["c"] == "" || got["big"] != old["big"] {
				t.Error(got)
			}
			plant(t, p.src, file("big", text(100_000)))
			p.mirrored()
		})
	}
}

// TestFullSpool fills the directory in which packages are made. That is no
// error of a file, so ContinueOnError does not go on.
func TestFullSpool(t *testing.T) {
	for _, going := range []bool{false, true} {
		p := newPair(t, Options{ContinueOnError: going})
		tmp := filepath.Join(filepath.Dir(p.src), "tmp")
		mount(t, tmp)
		t.Setenv("TMPDIR", tmp)
		plant(t, p.src, file("a", "a"), file("big", text(600_000)))
		result, events, err := p.run(t.Context())
		wantFailure(t, events, wire.ExportingError, "big", "cannot keep the package in "+tmp+": no space left on device")
		if err == nil || result.Skipped > 0 {
			t.Error(err, result)
		}
	}
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
		failed := in(events, wire.TransferringError)
		if len(failed) != 1 {
			t.Fatal(events)
		}
		wantError(t, failed[0], wire.TransferringError, "/staging", "read-only file system")
		compare(t, before, tell(t, p.dst), true)

		os.Remove(filepath.Join(p.src, "h"))
		plant(t, p.src, file("g", "x"))
		os.RemoveAll(filepath.Join(p.src, "d"))
		_, events, _ = p.run(t.Context()) // this run would only delete
		wantFailure(t, events, wire.ExportingError, "/staging/d", "cannot delete: read-only file system")
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
	wantFailure(t, events, wire.ImportingError, "f", "")
	if got := tell(t, p.dst); !strings.Contains(got["f/kept"], "1 bytes") {
		t.Error(got)
	}
}
