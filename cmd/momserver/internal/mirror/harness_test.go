//go:build unix

package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"mom.internal/momclient"
	"mom.internal/momserver"
	"mom.internal/wire"
)

// item is a file, a directory or a link of a generated tree.
type item struct {
	path    string
	mode    fs.FileMode // includes the type
	content string      // or the target of a link
	time    time.Time
}

// longAgo is the default time of items.
var longAgo = time.Date(2019, 5, 17, 8, 30, 12, 345678901, time.UTC)

func file(path, content string) item { return item{path, 0o644, content, longAgo} }
func dir(path string) item           { return item{path, fs.ModeDir | 0o755, "", longAgo} }
func link(path, target string) item  { return item{path, fs.ModeSymlink, target, longAgo} }

// with returns the item with other permissions.
func (i item) with(mode fs.FileMode) item { i.mode = i.mode.Type() | mode; return i }

// at returns the item with another time.
func (i item) at(when time.Time) item { i.time = when; return i }

// plant makes items below root, in place of other files, and the directories
// above them.
func plant(t testing.TB, root string, items ...item) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	top, err := os.OpenRoot(root) // accepts longer paths than the system
	ok(err)
	defer top.Close()
	for _, i := range items {
		ok(top.MkdirAll(path.Dir(i.path), 0o755))
		switch {
		case i.mode.IsDir():
			ok(top.MkdirAll(i.path, 0o755))
		case i.mode&fs.ModeSymlink != 0:
			ok(top.RemoveAll(i.path))
			ok(top.Symlink(i.content, i.path))
		default:
			ok(top.RemoveAll(i.path))
			ok(top.WriteFile(i.path, []byte(i.content), 0o600))
		}
	}
	for n := len(items) - 1; n >= 0; n-- { // the time of a directory is set after its entries are made
		if i := items[n]; i.mode&fs.ModeSymlink == 0 {
			ok(top.Chmod(i.path, i.mode&^fs.ModeDir))
			ok(top.Chtimes(i.path, i.time, i.time))
		}
	}
}

// tell describes everything below root, by path: type, mode, time and content.
func tell(t testing.TB, root string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	top, err := os.OpenRoot(root)
	if errors.Is(err, fs.ErrNotExist) {
		return all
	}
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	tellDir(t, top, ".", all)
	return all
}

func tellDir(t testing.TB, top *os.Root, dir string, all map[string]string) {
	t.Helper()
	names, err := namesIn(top, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		p := path.Join(dir, name)
		info, err := top.Lstat(p)
		if err != nil {
			t.Fatal(err)
		}
		about := fmt.Sprintf("%v %v", info.Mode(), info.ModTime().UTC().Format(time.RFC3339Nano))
		switch info.Mode().Type() {
		case fs.ModeSymlink:
			target, err := top.Readlink(p)
			about = fmt.Sprintf("link to %s %v", target, err)
		case 0:
			data, err := top.ReadFile(p)
			about = fmt.Sprintf("%s %d bytes %x %v", about, len(data), sha256.Sum256(data), err)
		case fs.ModeDir:
			tellDir(t, top, p, all)
		}
		all[p] = about
	}
}

func namesIn(top *os.Root, dir string) ([]string, error) {
	root, err := top.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	_, names, err := readDir(root)
	return names, err
}

// compare reports where got differs from want. If exact is false, got may have
// more.
func compare(t testing.TB, want, got map[string]string, exact bool) {
	t.Helper()
	var off []string
	for p, about := range want {
		if got[p] != about {
			off = append(off, fmt.Sprintf("%.80q: want %q, got %q", p, about, got[p]))
		}
	}
	for p, about := range got {
		if _, ok := want[p]; !ok && (exact || isSpool(strings.SplitN(p, "/", 2)[0])) {
			off = append(off, fmt.Sprintf("%.80q: should not be there: %q", p, about))
		}
	}
	sort.Strings(off)
	if len(off) > 0 {
		t.Errorf("the destination is not as it should be:\n%s", strings.Join(off, "\n"))
	}
}

// pair is a source and a destination, and a server with a client that asks for
// the events over a socket.
type pair struct {
	t        testing.TB
	src, dst string
	opts     Options
	srv      *momserver.Server
	client   *momclient.Client
	cursor   wire.Cursor
}

func newPair(t testing.TB, opts Options) *pair {
	t.Helper()
	if opts.PackageFiles == 0 {
		opts.PackageFiles, opts.PackageBytes = 4, 100_000
	}
	top := t.TempDir()
	if opts.State == "" {
		opts.State = t.TempDir()
	}
	p := &pair{t: t, src: filepath.Join(top, "site"), dst: filepath.Join(top, "staging"), opts: opts}
	t.Cleanup(func() { openTree(top) }) // so that it can be removed
	if err := os.Mkdir(p.src, 0o755); err != nil {
		t.Fatal(err)
	}
	p.srv = momserver.New(momserver.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- p.srv.Serve(l) }()
	t.Cleanup(func() { p.srv.Close(); <-served })
	p.client = momclient.New(l.Addr().String(), momclient.Options{})
	t.Cleanup(func() { p.client.Close() })
	return p
}

// textLog returns a logger for w that leaves out times.
func textLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// openTree makes directories writable.
func openTree(top string) {
	filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(p, 0o700)
		}
		return nil
	})
}

// run mirrors once, checks the events and that no spool is left, and returns
// the events.
func (p *pair) run(ctx context.Context) (Result, []wire.Event, error) {
	p.t.Helper()
	m, err := New(p.srv, p.src, p.dst, p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	result, err := m.Run(ctx)
	events := p.events()
	checkRun(p.t, events, m.JobID(), result, err)
	names, _ := filepath.Glob(filepath.Join(p.dst, spoolPrefix+"*"))
	names = slices.DeleteFunc(names, func(name string) bool { return !isSpool(filepath.Base(name)) })
	if len(names) > 0 {
		p.t.Errorf("the run left %v", names)
	}
	return result, events, err
}

// events returns the events since the last call.
func (p *pair) events() []wire.Event {
	p.t.Helper()
	var all []wire.Event
	for {
		page, next, err := p.client.History(p.t.Context(), p.cursor, 1000)
		if err != nil {
			p.t.Fatal(err)
		}
		p.cursor = next
		all = append(all, page...)
		if len(page) == 0 {
			return all
		}
	}
}

// mirrored runs once, and checks that everything is mirrored.
func (p *pair) mirrored() []wire.Event {
	p.t.Helper()
	result, events, err := p.run(p.t.Context())
	if err != nil || !result.Clean() {
		p.t.Errorf("mirroring: %v, %+v", err, result)
	}
	compare(p.t, tell(p.t, p.src), tell(p.t, p.dst), p.opts.Delete)
	return events
}

// upToDate runs once, and checks that there is nothing to do.
func (p *pair) upToDate() {
	p.t.Helper()
	result, events, err := p.run(p.t.Context())
	if err != nil || result != (Result{Checks: 1}) {
		p.t.Errorf("a second run: %v, %+v; want nothing to do", err, result)
	}
	if len(events) != 2 || len(events[1].Data.Status.Log) == 0 || !strings.HasPrefix(events[1].Data.Status.Log[0].Message, "nothing to mirror") {
		p.t.Errorf("a second run tells %v", events)
	}
}
