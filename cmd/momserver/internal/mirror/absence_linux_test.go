package mirror

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mom.internal/wire"
)

// TestUnmounted deletes nothing if the source, or a directory in it, is no longer
// on the device that it was on: the disk is not mounted, another one is in its
// place, or the mount point is gone. That holds in this process and in another.
// A run without Delete accepts what there is.
func TestUnmounted(t *testing.T) {
	for name, tc := range map[string]struct {
		at     string // the mount point in the source
		change func(t *testing.T, dir string)
	}{
		"source":       {".", func(t *testing.T, dir string) { unmount(t, dir); plant(t, dir, file("other", "x")) }},
		"source empty": {".", unmount},
		"below":        {"disk", unmount},
		"deeper":       {"a/b/disk", func(t *testing.T, dir string) { unmount(t, dir); plant(t, dir, file("other", "x")) }},
		"another disk": {"disk", func(t *testing.T, dir string) { unmount(t, dir); mount(t, dir) }},
		"vanished":     {"disk", func(t *testing.T, dir string) { unmount(t, dir); os.Remove(dir) }},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				p := newPair(t, Options{Delete: true})
				dir := filepath.Join(p.src, tc.at)
				mount(t, dir)
				plant(t, p.src, file("top", "t"))
				plant(t, dir, file("f", "x"), file("g", "y"))
				m, err := New(p.srv, p.src, p.dst, p.opts)
				if err != nil {
					t.Fatal(err)
				}
				if result, err := m.Run(t.Context()); err != nil || !result.Clean() {
					t.Fatalf("%+v, %v", result, err)
				}
				before := tell(t, p.dst)
				tc.change(t, dir)
				for range 2 {
					if restarted {
						m, _ = New(p.srv, p.src, p.dst, p.opts)
					}
					_, err := m.Run(t.Context())
					if err == nil || !strings.Contains(err.Error(), "is a disk missing?") || !strings.HasPrefix(err.Error(), dir) {
						t.Errorf("%v", err)
					}
					compare(t, before, tell(t, p.dst), true)
				}
				p.opts.Delete = false
				m, _ = New(p.srv, p.src, p.dst, p.opts)
				if _, err := m.Run(t.Context()); err != nil {
					t.Error(err)
				}
				if name == "source empty" {
					return
				}
				p.events()
				p.opts.Delete = true
				p.mirrored()
			})
		}
	}
}

// TestUnmountedAtBoot deletes nothing if the disk with the source, or with a directory
// above it, is not mounted after a reboot, and there are other files in its place.
func TestUnmountedAtBoot(t *testing.T) {
	for _, at := range []string{".", ".."} {
		p := newPair(t, Options{Delete: true})
		parent := filepath.Dir(p.src)
		p.src = filepath.Join(parent, "disk", "site")
		plant(t, parent, file("disk/site/other", "x"))
		top, err := os.Stat("/")
		here, herr := os.Stat(p.src)
		if err != nil || herr != nil || deviceOf(top) != deviceOf(here) {
			t.Skip("the directory for temporary files is not on the file system of /")
		}
		disk := filepath.Join(p.src, at)
		mount(t, disk)
		plant(t, parent, file("disk/site/f", "x"))
		m, err := New(p.srv, p.src, p.dst, p.opts)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if result, err := m.Run(t.Context()); err != nil || !result.Clean() {
				t.Fatalf("%+v, %v", result, err)
			}
			m.index.boot = "an earlier one"
		}
		before := tell(t, p.dst)
		unmount(t, disk)
		if _, err := m.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), p.src+": it is not on the device that it was on") {
			t.Errorf("%s: %v", at, err)
		}
		compare(t, before, tell(t, p.dst), true)
	}
}

// TestUnmountedAfterError deletes nothing if a disk that the run before could not read
// is not mounted now, even if that run had no Delete.
func TestUnmountedAfterError(t *testing.T) {
	for _, unreadable := range []string{"a", "a/disk"} {
		p := newPair(t, Options{ContinueOnError: true})
		os.Chmod(filepath.Join(p.src, "../.."), 0o755) // lets nobody in
		disk := filepath.Join(p.src, "a", "disk")
		plant(t, p.src, file("top", "t"), dir("a"))
		mount(t, disk)
		plant(t, disk, file("f", "x"))
		m, err := New(p.srv, p.src, p.dst, p.opts)
		if err != nil {
			t.Fatal(err)
		}
		if result, err := m.Run(t.Context()); err != nil || !result.Clean() {
			t.Fatalf("%+v, %v", result, err)
		}
		before := tell(t, p.dst)
		os.Chmod(filepath.Join(p.src, unreadable), 0)
		if err := syscall.Seteuid(65534); err != nil {
			t.Skip(err)
		}
		result, err := m.Run(t.Context())
		if err := syscall.Seteuid(0); err != nil {
			t.Fatal(err)
		}
		if err != nil || result.Clean() {
			t.Errorf("%s: %+v, %v", unreadable, result, err)
		}
		os.Chmod(filepath.Join(p.src, unreadable), 0o755)
		unmount(t, disk)
		m.opts.Delete = true
		if _, err := m.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), disk+": it is not on the device that it was on") {
			t.Errorf("%s: %v", unreadable, err)
		}
		compare(t, before, tell(t, p.dst), true)
	}
}

// TestMountedOver deletes nothing if a file system is mounted over a directory
// that was mirrored.
func TestMountedOver(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("top", "t"), file("a/f", "x"))
	p.mirrored()
	before := tell(t, p.dst)
	mount(t, filepath.Join(p.src, "a"))
	plant(t, p.src, file("a/other", "z"))
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, filepath.Join(p.src, "a"), "is a disk missing?")
	compare(t, before, tell(t, p.dst), true)
}

// TestMountExcluded accepts that a file system is gone that is excluded now.
func TestMountExcluded(t *testing.T) {
	p := newPair(t, Options{Delete: true})
	plant(t, p.src, file("top", "t"))
	disk := filepath.Join(p.src, "a/disk")
	mount(t, disk)
	plant(t, disk, file("f", "x"))
	p.mirrored()
	unmount(t, disk)
	p.opts.Exclude = func(p string, dir bool) bool { return p == "a" }
	if result, _, err := p.run(t.Context()); err != nil || !result.Clean() {
		t.Errorf("%v, %+v", err, result)
	}
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
}

// TestDestinationGone: a destination that this process has seen, and that is gone
// or on another device, is not made anew.
func TestDestinationGone(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, p *pair)
		text   string
	}{
		"gone":           {func(t *testing.T, p *pair) { unmount(t, p.dst); os.Remove(p.dst) }, "the destination is gone: is a disk missing?"},
		"unmounted":      {func(t *testing.T, p *pair) { unmount(t, p.dst) }, "another device than in the run before: is a disk missing?"},
		"another disk":   {func(t *testing.T, p *pair) { unmount(t, p.dst); mount(t, p.dst) }, "another device than in the run before: is a disk missing?"},
		"gone with more": {func(t *testing.T, p *pair) { unmount(t, p.dst); os.Remove(p.dst); plant(t, p.src, file("new", "x")) }, "the destination is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, Options{})
			mount(t, p.dst)
			plant(t, p.src, file("f", "x"))
			m, err := New(p.srv, p.src, p.dst, p.opts)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			tc.change(t, p)
			for range 2 {
				if _, err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.text) {
					t.Error(err)
				}
				if got := tell(t, p.dst); len(got) > 0 {
					t.Error(got)
				}
			}
		})
	}
}

// TestParentMissing does not make the directories that the destination is in.
func TestParentMissing(t *testing.T) {
	p := newPair(t, Options{})
	plant(t, p.src, file("f", "x"))
	top := filepath.Join(filepath.Dir(p.dst), "disk")
	p.dst = filepath.Join(top, "sub", "staging")
	_, events, _ := p.run(t.Context())
	wantFailure(t, events, wire.ExportingError, p.dst, "mkdir -p "+filepath.Dir(p.dst))
	if _, err := os.Stat(top); err == nil {
		t.Error("the parent was made")
	}
}
